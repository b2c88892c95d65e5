package quern.models;

import java.util.Map;
import java.util.Optional;
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
        text.append("---\nlibrary_name: transformers\n");
        pipeline(spec.task())
                .ifPresent(tag -> text.append("pipeline_tag: ").append(tag).append('\n'));
        text.append("tags:\n- quern\n---\n\n");
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
        if (spec.task() == Task.IMAGE_TOKENS) {
            return text.append("\n## Use\n\n`objective: {type: image_tokens, image_tokenizer: FOLDER}` in a recipe.\n")
                    .toString();
        }
        boolean causal = spec.task() == Task.CAUSAL_LM;
        String type = causal ? "AutoModelForCausalLM" : spec.architecture().name();
        text.append("""

                ## Use

                    from transformers import %s
                    model = %s.from_pretrained("FOLDER")
                    tokenizer = AutoTokenizer.from_pretrained("FOLDER")
                """.formatted(causal ? type + ", AutoTokenizer" : "AutoTokenizer, " + type, type));
        if (causal) {
            text.append("\nor `quern generate FOLDER --prompt \"…\"`.\n");
        }
        return text.toString();
    }

    /** What a hub calls the task. */
    private static Optional<String> pipeline(Task task) {
        return switch (task) {
            case CAUSAL_LM -> Optional.of("text-generation");
            case MASKED_LM, PRE_TRAINING -> Optional.of("fill-mask");
            case SEQUENCE_CLASSIFICATION, NEXT_SENTENCE, REWARD -> Optional.of("text-classification");
            case TOKEN_CLASSIFICATION -> Optional.of("token-classification");
            case QUESTION_ANSWERING -> Optional.of("question-answering");
            case MODEL -> Optional.of("feature-extraction");
            case SEQ2SEQ_LM, CONTRASTIVE, IMAGE_TOKENS -> Optional.empty();
        };
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
