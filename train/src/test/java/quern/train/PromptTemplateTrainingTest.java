package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.TokenStream;
import quern.recipe.Block;
import quern.recipe.RecipeFile;

/** A recipe with many phrasings of a task trains on some and is judged by one that it has not met. */
class PromptTemplateTrainingTest {
    private static final String TEMPLATES = """
            prompt_templates: {templates: [
              {name: ask, prompt: "What comes after {word}?", answer: "It is {next}."},
              {name: tell, prompt: "Go on from {word}:", answer: " {next}."},
              {name: unmet, prompt: "Behind {word} there stands", answer: " {next}."}], held_out: [unmet]}""";

    @TempDir
    Path folder;

    @BeforeEach
    void writeRows() throws IOException {
        List<String> words = List.of("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten");
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 120; i++) {
            lines.append("{\"word\": \"%s\", \"next\": \"%s\"}\n".formatted(words.get(i % 9), words.get(i % 9 + 1)));
        }
        Files.writeString(folder.resolve("rows.jsonl"), lines.toString());
    }

    private Block recipe(String run, String... overrides) {
        String text = TinyRuns.recipe(folder)
                .replace(folder.resolve("run").toString(), folder.resolve(run).toString())
                .replace(
                        folder.resolve("text.txt").toString(),
                        folder.resolve("rows.jsonl").toString())
                .replace("max_length: 16", "max_length: 64, packing: true, " + TEMPLATES.replace("\n", " "))
                .replace("n_positions: 16", "n_positions: 64")
                .replace("tokenizer: char", "tokenizer: {type: bpe, vocab_size: 300}");
        return RecipeFile.load("tiny.yaml", text, List.of(overrides));
    }

    private static List<String> documents(Preparation p, TokenStream stream) {
        return LongStream.range(0, stream.documents())
                .mapToObj(d -> {
                    int[] ids = new int[(int) (stream.documentStart(d + 1) - stream.documentStart(d))];
                    stream.read(stream.documentStart(d), ids, 0, ids.length);
                    return p.tokenizer().decode(ids);
                })
                .toList();
    }

    @Test
    void whatIsHeldOutPhrasesOnlyWhatValidates() {
        Preparation p = Preparation.of(recipe("run"), note -> {});
        List<String> trained = documents(p, p.store().train());
        List<String> held = documents(p, p.validation().orElseThrow());
        assertTrue(trained.stream().anyMatch(text -> text.contains("What comes after")), trained.toString());
        assertTrue(trained.stream().anyMatch(text -> text.contains("Go on from")));
        assertTrue(trained.stream().noneMatch(text -> text.contains("Behind")));
        assertTrue(held.stream().allMatch(text -> text.contains("Behind")), held.toString());
    }

    @Test
    void anUnmetPhrasingIsLearnedToo() {
        String[] more = {"max_steps=60", "eval_steps=30", "save_steps=30", "per_device_train_batch_size=8"};
        Path run = TinyRuns.train(recipe("whole", more)).folder();
        List<Map<String, Double>> lines = TinyRuns.metrics(run);
        List<Double> evaluated = lines.stream()
                .filter(line -> line.containsKey("eval_loss"))
                .map(line -> line.get("eval_loss"))
                .toList();
        double start = lines.stream()
                .filter(line -> line.containsKey("loss"))
                .findFirst()
                .orElseThrow()
                .get("loss");
        assertTrue(evaluated.getLast() < 0.6 * start, "from " + start + " to " + evaluated);
        TinyRuns.trainUntil(recipe("halves", more), 30);
        assertEquals(
                TinyRuns.metrics(run),
                TinyRuns.metrics(TinyRuns.resume(folder.resolve("halves")).folder()));
    }
}
