package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.MaskedLm;
import quern.data.Objective;
import quern.data.TokenStream;
import quern.models.LanguageModel;
import quern.nn.Pass;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;

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

    private static final String BERT =
            "{family: bert, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 18}";

    /** {@link #recipe} of a model for an objective. */
    private Block recipeOf(String objective, String... overrides) {
        Block recipe = recipe(
                "",
                Stream.concat(Stream.of("objective=" + objective, "eval_steps=6"), Stream.of(overrides))
                        .toArray(String[]::new));
        return objective.equals("mlm") ? recipe.with("model", RecipeFile.load("model.yaml", BERT, List.of())) : recipe;
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

    /** Of each source by itself, and of all over their tokens. */
    @ParameterizedTest
    @ValueSource(strings = {"causal_lm", "mlm"})
    void everySourceIsJudgedByItself(String objective) {
        Path run = TinyRuns.train(recipeOf(objective)).folder();
        List<Map<String, Double>> evaluations = TinyRuns.metrics(run).stream()
                .filter(m -> m.containsKey("eval_loss"))
                .toList();
        assertEquals(2, evaluations.size());
        try (LanguageModel model = LanguageModel.load(run, DType.FP32, Device.CPU)) {
            double sum = 0;
            long tokens = 0;
            for (String source : List.of("tale", "digits")) {
                Block alone = recipeOf(objective)
                        .with(
                                "data",
                                Block.empty(Position.of("test"))
                                        .with(
                                                "path",
                                                folder.resolve(source + ".txt").toString())
                                        .with("validation_share", 0.1)
                                        .with("max_length", 16L))
                        .with("tokenizer", Block.empty(Position.of("test")).with("path", run.toString()));
                Preparation p = Preparation.of(alone, note -> {});
                double loss =
                        p.heldOut().measure(model, model.network(), done -> {}).get("eval_loss");
                assertEquals(loss, evaluations.getLast().get("eval_loss/" + source), ROUNDING);
                long own = objective.equals("causal_lm")
                        ? p.validation().orElseThrow().size() - 1
                        : counted(p.validation().orElseThrow(), p);
                sum += loss * own;
                tokens += own;
            }
            assertEquals(sum / tokens, evaluations.getLast().get("eval_loss"), ROUNDING);
        }
        TinyRuns.train(recipeOf(objective, "metric_for_best_model=eval_loss/digits"));
        QuernException unknown = assertThrows(
                QuernException.class, () -> TinyRuns.train(recipe("", "metric_for_best_model=eval_loss/words")));
        assertTrue(unknown.getMessage().contains("eval_loss/tale, eval_loss/digits"), unknown.getMessage());
    }

    private static long counted(TokenStream text, Preparation p) {
        MaskedLm objective = new MaskedLm();
        BatchSource batches = objective
                .evaluation(
                        new Objective.Input(text, p.tokenizer(), p.data(), 4, 0),
                        Block.empty(Position.of("test")).bind(MaskedLm.Config.class))
                .orElseThrow();
        long counted = 0;
        for (long i = 0; i < batches.batchesPerEpoch(); i++) {
            counted += batches.batch(i).countedTokens();
        }
        return counted;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ", mixing: {type: temperature, temperature: 5}",
                ONLINE,
                ", packing: false, text_unit: line, curriculum: {type: rarity, pacing: linear, steps: 8}",
                ", packing: false, text_unit: line, mixing: online, curriculum: {type: adaptive, refresh_steps: 3}"
            })
    void changingTextIsMixedAndOrderedAndResumes(String order) {
        String augmented = order + ", augment: [{type: swap, share: 0.5}]";
        String steps = "max_steps=24";
        Path whole = TinyRuns.train(recipe(augmented, steps)).folder();
        Path parts = TinyRuns.trainUntil(recipe(augmented, steps), 5).folder();
        TinyRuns.resumeUntil(parts, 13);
        TinyRuns.resume(parts);
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(parts));
        assertEquals(
                TinyRuns.content(whole).get("model.safetensors"),
                TinyRuns.content(parts).get("model.safetensors"));
        Path plain = TinyRuns.train(recipe(order, steps)).folder();
        assertNotEquals(TinyRuns.metrics(plain), TinyRuns.metrics(whole));
    }

    /** A row of a changing text is always the same document, the easiest first, in another form each time round. */
    @Test
    void aCurriculumOrdersDocumentsThatChange() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 1; i <= 30; i++) {
            lines.append("0123456789 9876543210 5555".repeat(1 + i % 3))
                    .append("1 ".repeat(i))
                    .append('\n');
        }
        Files.writeString(folder.resolve("digits.txt"), lines.toString());
        String order = ", packing: false, text_unit: line, curriculum: {type: length, pacing: sorted}";
        String length = "data.max_length=200";
        String positions = "model.n_positions=200";
        Preparation plain = Preparation.of(
                recipe(order, length, positions, "per_device_train_batch_size=1", "data.validation_share=0"),
                note -> {});
        Preparation changed = Preparation.of(
                recipe(
                        order + ", augment: [{type: swap, share: 0.5}]",
                        length,
                        positions,
                        "per_device_train_batch_size=1",
                        "data.validation_share=0"),
                note -> {});
        long rows = plain.batches().batchesPerEpoch();
        assertEquals(rows, changed.batches().batchesPerEpoch());
        int different = 0;
        for (long i = 0; i < rows; i++) {
            int[] before = document(plain.batches().batch(i));
            int[] after = document(changed.batches().batch(i));
            different += Arrays.equals(before, after) ? 0 : 1;
            assertArrayEquals(words(plain, before), words(changed, after), "row " + i + " has the same words");
        }
        assertTrue(different > rows / 4, different + " of " + rows + " changed");
        // The mixture meets the corpora by turns, so an epoch of one is met again after some more.
        Map<String, Set<String>> formsOf = new TreeMap<>();
        for (long i = 0; i < 4 * rows; i++) {
            int[] ids = document(changed.batches().batch(i));
            formsOf.computeIfAbsent(String.join(" ", words(changed, ids)), k -> new HashSet<>())
                    .add(changed.tokenizer().decode(ids));
        }
        assertTrue(formsOf.values().stream().anyMatch(f -> f.size() > 2), "several forms of one document");

        QuernException windows = assertThrows(
                QuernException.class, () -> TinyRuns.train(recipe(", curriculum: rarity, augment: [{type: swap}]")));
        assertTrue(windows.getMessage().contains("set packing: false"), windows.getMessage());
        QuernException left = assertThrows(
                QuernException.class,
                () -> TinyRuns.train(recipe(order + ", on_too_long: drop, augment: [{type: swap}]")));
        assertTrue(left.getMessage().contains("leave data.on_too_long out"), left.getMessage());
    }

    /** The first input and all targets. */
    private static int[] document(Batch batch) {
        return IntStream.concat(IntStream.of(batch.inputIds()[0]), Arrays.stream(batch.labels()))
                .toArray();
    }

    private static String[] words(Preparation p, int[] ids) {
        String[] words = p.tokenizer().decode(ids).strip().split("\\s+");
        Arrays.sort(words);
        return words;
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

    /** Reference, proxy and the model itself, one after another in one recipe. */
    @Test
    void doremiIsThreeStagesOfOneRecipe() throws IOException {
        String stages = "stages=[{name: reference, max_steps: 4}, {name: proxy, from: new, max_steps: 6,"
                + " data: {mixing: {type: doremi, reference: stage:reference}}},"
                + " {name: main, from: new, model: {n_layer: 3}, max_steps: 4,"
                + " data: {mixing: {type: fixed, weights_file: stage:proxy}}}]";
        Path whole = staged(StagedTraining.start(recipe("", stages), note -> {}), 99);
        Path proxy = whole.resolve("stage-2-proxy");
        String weights = Files.readString(proxy.resolve("mixing_weights.json"));
        assertTrue(weights.contains("\"tale\""), weights);
        for (Map<String, Double> line : TinyRuns.metrics(proxy)) {
            if (line.containsKey("loss")) {
                // All corpora are met alike; what was learned weighs their losses.
                assertEquals(0.5, line.get("data_share/tale"), 1.0 / 8);
            }
        }
        Map<String, Double> main = TinyRuns.metrics(whole.resolve("stage-3-main")).stream()
                .filter(m -> m.containsKey("loss"))
                .findFirst()
                .orElseThrow();
        double learned = Double.parseDouble(weights.replaceAll("(?s).*\"tale\" : ([0-9.]+).*", "$1"));
        assertEquals(learned, main.get("data_weight/tale"), 1e-12, "weights are scaled to shares once more");
        try (LanguageModel model = LanguageModel.load(whole, DType.FP32, Device.CPU);
                LanguageModel small = LanguageModel.load(proxy, DType.FP32, Device.CPU)) {
            assertEquals(3, ((Number) model.spec().field("n_layer")).intValue());
            assertEquals(2, ((Number) small.spec().field("n_layer")).intValue());
        }
        Path halves = folder.resolve("halves");
        staged(StagedTraining.start(recipe("", stages, "output_dir=" + halves), note -> {}), 7);
        staged(StagedTraining.resume(halves, List.of(), note -> {}), 99);
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(halves));
        assertEquals(
                TinyRuns.content(whole).get("model.safetensors"),
                TinyRuns.content(halves).get("model.safetensors"));

        QuernException unknown = assertThrows(
                QuernException.class,
                () -> StagedTraining.start(recipe("", stages.replace("stage:proxy", "stage:proxi")), note -> {}));
        assertTrue(unknown.getMessage().contains("'proxi' is no stage before this one"), unknown.getMessage());
        QuernException from = assertThrows(
                QuernException.class,
                () -> StagedTraining.start(recipe("", stages.replace("from: new", "from: nothing")), note -> {}));
        assertTrue(from.getMessage().contains("no stage before this one is called 'nothing'"), from.getMessage());
    }

    private static Path staged(StagedTraining training, long stop) {
        try (training) {
            return training.train((stage, stages, earlier, run) -> run.addHook(new TrainingHook() {
                        @Override
                        public void onStep(TrainingProgress progress, StepResult result) {
                            if (earlier + progress.step() == stop) {
                                training.requestStop();
                            }
                        }
                    }))
                    .folder();
        }
    }

    /** A row that counts twice is a row that is there twice. */
    @Test
    void rowsCountWhatTheyWeigh() {
        Preparation p = Preparation.of(recipe("", "per_device_train_batch_size=3", "model.dropout=0.0"), note -> {});
        Batch batch = p.batches().batch(0);
        try (LanguageModel model = p.model();
                Scope scope = Scope.open()) {
            float[] logprobs = model.network()
                    .infer(TokenTensors.unweighted(batch, Device.CPU), Pass.evaluation())
                    .get("logprobs")
                    .toFloats();
            double expected = 0;
            float[] weights = {2, 0.5f, 0};
            for (int i = 0; i < logprobs.length; i++) {
                expected -= weights[i / batch.columns()] * logprobs[i] / batch.countedTokens();
            }
            for (List<Batch> passes : List.of(
                    List.of(batch.withRowWeights(weights)),
                    MicroBatches.ofRows(List.of(batch.withRowWeights(weights)), 1))) {
                double loss = 0;
                for (Batch pass : passes) {
                    loss += model.network()
                            .infer(
                                    TokenTensors.flow(pass, 1.0 / batch.countedTokens(), 1, Device.CPU),
                                    Pass.evaluation())
                            .get("loss")
                            .item();
                }
                assertEquals(expected, loss, ROUNDING * expected);
            }
        }
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
