package quern.models;

import java.util.Map;
import java.util.TreeMap;

/**
 * The README.md of a saved model: what it is, how it was made and how to load it, and nothing that the caller did not
 * state.
 *
 * @param title the heading
 * @param description one paragraph; may be empty
 * @param facts what is known about the training, in order: data, steps, validation loss…
 */
public record ModelCard(String title, String description, Map<String, String> facts) {
    /** The card as Markdown with Hugging Face's front matter. */
    String text(ModelSpec spec, long parameterCount, String dtype) {
        StringBuilder text = new StringBuilder();
        text.append("---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags:\n- quern\n---\n\n");
        text.append("# ").append(oneLine(title)).append("\n\n");
        if (!description.isBlank()) {
            text.append(description.strip()).append("\n\n");
        }
        text.append("A %s model of %,d parameters (%s), made with Quern.\n\n"
                .formatted(spec.family().id(), parameterCount, dtype));
        if (!facts.isEmpty()) {
            text.append("## Training\n\n| | |\n|---|---|\n");
            facts.forEach((name, fact) -> row(text, name, fact));
            text.append('\n');
        }
        text.append("## Configuration\n\n| | |\n|---|---|\n");
        new TreeMap<>(spec.settings()).forEach((key, value) -> row(text, "`" + key + "`", String.valueOf(value)));
        text.append("""

                ## Use

                    from transformers import AutoModelForCausalLM, AutoTokenizer
                    model = AutoModelForCausalLM.from_pretrained("FOLDER")
                    tokenizer = AutoTokenizer.from_pretrained("FOLDER")

                or `quern generate FOLDER --prompt "…"`.
                """);
        return text.toString();
    }

    private static void row(StringBuilder text, String name, String value) {
        text.append("| ")
                .append(oneLine(name).replace("|", "\\|"))
                .append(" | ")
                .append(oneLine(value).replace("|", "\\|"))
                .append(" |\n");
    }

    private static String oneLine(String text) {
        return text.strip().replaceAll("\\s+", " ");
    }
}
