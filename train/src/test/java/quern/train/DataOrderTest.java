package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** Trainings on several corpora and with a curriculum: what they meet, log and plan, and that they resume to the bit. */
class DataOrderTest {
    /** Losses of steps whose rows are divided otherwise: rounding of sums in fp32. */
    private static final double ROUNDING = 1e-5;

    @TempDir
    Path folder;

    @BeforeEach
    void writeCorpora() throws IOException {
        Files.writeString(folder.resolve("tale.txt"), TinyRuns.text(5, 40));
        Files.writeString(folder.resolve("digits.txt"), "0123456789 9876543210 5555 ".repeat(30));
    }

    private Block recipe(String order, String... overrides) {
        String sources =
                "sources: [{name: tale, path: %s}, {name: digits, path: %s}], validation_share: 0.1, max_length: 16"
                        .formatted(folder.resolve("tale.txt"), folder.resolve("digits.txt"));
        String one = "path: %s, validation_share: 0.1, max_length: 16".formatted(folder.resolve("text.txt"));
        String text = TinyRuns.recipe(folder);
        assertTrue(text.contains(one), text);
        return RecipeFile.load("tiny.yaml", text.replace(one, sources + order), List.of(overrides));
    }

    private static final String ONLINE = ", mixing: {type: online, smoothing: 0.5}";

    @ParameterizedTest
    @ValueSource(
            strings = {
                ", mixing: {type: temperature, temperature: 5}",
                ONLINE,
                ", mixing: online, curriculum: {type: adaptive, refresh_steps: 3}",
                ", curriculum: {type: rarity, pacing: linear, steps: 8}"
            })
    void stopAndResumeEqualAnUnbrokenRun(String order) {
        Path whole =
                TinyRuns.train(recipe(order, "gradient_accumulation_steps=2")).folder();
        Path parts = TinyRuns.trainUntil(recipe(order, "gradient_accumulation_steps=2"), 3)
                .folder();
        TinyRuns.resumeUntil(parts, 7);
        TinyRuns.resume(parts);
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(parts));
        assertEquals(
                TinyRuns.content(whole).get("model.safetensors"),
                TinyRuns.content(parts).get("model.safetensors"));
    }

    @Test
    void realisedSharesAreLoggedAndPlanned() {
        Block recipe = recipe(", mixing: {type: scheduled, points: [{step: 0, weights: {tale: 1, digits: 0}},"
                + " {step: 11, weights: {tale: 0, digits: 1}}]}");
        List<Map<String, Double>> lines = TinyRuns.metrics(
                        TinyRuns.train(recipe).folder())
                .stream()
                .filter(m -> m.containsKey("loss"))
                .toList();
        assertEquals(1.0, lines.getFirst().get("data_share/tale"), 1e-9);
        assertEquals(0.5, lines.getLast().get("data_share/tale"), 1.0 / 48, "48 rows, half the way at half the steps");
        assertEquals(1.0, lines.getLast().get("data_weight/digits"), 1e-9);
        List<String> notices = Preparation.of(recipe, note -> {}).notices();
        assertTrue(
                notices.stream().anyMatch(n -> n.startsWith("mixing scheduled: tale 50.0%, 24 rows of ")),
                notices.toString());
    }

    @Test
    void theSameRowsAreMetHoweverAStepIsDivided() {
        List<Map<String, Double>> whole = TinyRuns.metrics(
                TinyRuns.train(recipe(ONLINE, "model.dropout=0.0")).folder());
        List<Map<String, Double>> divided = TinyRuns.metrics(TinyRuns.train(recipe(
                        ONLINE, "model.dropout=0.0", "per_device_train_batch_size=1", "gradient_accumulation_steps=4"))
                .folder());
        for (int i = 0; i < whole.size(); i++) {
            if (whole.get(i).containsKey("loss")) {
                assertEquals(whole.get(i).get("loss"), divided.get(i).get("loss"), ROUNDING);
                assertEquals(whole.get(i).get("data_share/tale"), divided.get(i).get("data_share/tale"));
            }
        }
    }

    /** Reference run, proxy run, and a run by the weights that the proxy learned. */
    @Test
    void doremiLearnsWeightsThatAnotherRunGoesBy() throws IOException {
        Path reference = TinyRuns.train(recipe("", "max_steps=6")).folder();
        Path proxy = TinyRuns.train(recipe(
                        ", mixing: {type: doremi, reference: %s}".formatted(reference),
                        "tokenizer={path: %s}".formatted(reference)))
                .folder();
        Path file = proxy.resolve("mixing_weights.json");
        assertTrue(Files.readString(file).contains("\"tale\""));
        assertFalse(Files.exists(reference.resolve("mixing_weights.json")), "fixed weights learn nothing");
        Map<String, Double> last = TinyRuns.metrics(proxy).stream()
                .filter(m -> m.containsKey("loss"))
                .reduce((a, b) -> b)
                .orElseThrow();
        assertEquals(1, last.get("data_weight/tale") + last.get("data_weight/digits"), 1e-9);
        assertTrue(last.get("data_weight/tale") != 0.5, "the excess losses differ");
        TinyRuns.train(recipe(", mixing: {type: fixed, weights_file: %s}".formatted(file)));

        QuernException other = assertThrows(
                QuernException.class,
                () -> TinyRuns.train(recipe(
                        ", mixing: {type: doremi, reference: %s}".formatted(reference),
                        "tokenizer={type: bpe, vocab_size: 270}")));
        assertTrue(other.getMessage().contains("another tokenizer"), other.getMessage());
    }

    @Test
    void aTrainedModelScoresRowsForACurriculum() {
        Path scorer = TinyRuns.train(recipe("", "max_steps=4")).folder();
        Path run = TinyRuns.train(recipe(", curriculum: {type: model_loss, model: %s, pace: {pacing: step, steps: 8}}"
                        .formatted(scorer)))
                .folder();
        List<Map<String, Double>> lines = TinyRuns.metrics(run).stream()
                .filter(m -> m.containsKey("loss"))
                .toList();
        assertEquals(0.1, lines.getFirst().get("curriculum_share/tale"), 1e-9);
        assertEquals(1.0, lines.getLast().get("curriculum_share/tale"), 1e-9);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Map<String, Object> tale =
                Map.of("name", "tale", "path", folder.resolve("tale.txt").toString());
        Map<String, Object> weighted =
                Map.of("name", "digits", "path", folder.resolve("digits.txt").toString(), "weight", 2.0);
        Block block = recipe("");
        Block data = block.block("data");
        assertRefused("1 of 2 have a weight", block.with("data", data.with("sources", List.of(tale, weighted))));
        assertRefused("two are called 'tale'", block.with("data", data.with("sources", List.of(tale, tale))));
        assertRefused("path is given too", block.with("data", data.with("path", "x.txt")));
        assertRefused(
                "mixing: has no effect without sources",
                block.with("data", data.without("sources").with("path", "x.txt").with("mixing", "fixed")));
        assertRefused("did you mean 'online'", recipe(", mixing: onlin"));
        assertRefused(
                "expected one for each", recipe(", mixing: {type: scheduled, points: [{step: 0, weights: {a: 1}}]}"));
        assertRefused("all rows of ", recipe(", curriculum: length"));
        assertRefused("no such folder", recipe(", curriculum: {type: model_loss, model: nowhere}"));
    }

    private static void assertRefused(String message, Block recipe) {
        QuernException refused = assertThrows(QuernException.class, () -> Preparation.of(recipe, note -> {}));
        assertTrue(refused.getMessage().contains(message), refused.getMessage());
    }
}
