package quern.curate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.curate.DatasetDistillation.Progress;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.DataConfig;
import quern.data.Objective;
import quern.data.OnTooLong;
import quern.models.LanguageModel;
import quern.nn.TokenEmbedding;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.train.Preparation;
import quern.train.TrainingRun;

/** Small sets of a text that a chain of letters wrote, and of prompts with their kinds. */
class SmallSetsTest {
    private static final String LETTERS = "abcdefgh";
    private static final int SEEDS = 3;
    private static final String KINDS = "max_length: 12, packing: false, document_separator: \".\"";

    @TempDir
    private Path folder;

    /** Each letter is followed by one of two, three times in four by the first. */
    private Path chain() throws IOException {
        Random random = new Random(5);
        StringBuilder text = new StringBuilder();
        int letter = 0;
        for (int i = 0; i < 6000; i++) {
            text.append(LETTERS.charAt(letter));
            letter = random.nextInt(4) > 0 ? (letter * 3 + 1) % 8 : (letter * 5 + 6) % 8;
        }
        return Files.writeString(folder.resolve("chain.txt"), text);
    }

    /** Letters of one of three kinds among letters of all, and the kind as the answer. */
    private Path kinds() throws IOException {
        Random random = new Random(6);
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 300; i++) {
            int kind = random.nextInt(3);
            StringBuilder prompt = new StringBuilder();
            for (int c = 0; c < 6; c++) {
                int letter = random.nextInt(3) > 0 ? kind * 4 + random.nextInt(4) : random.nextInt(12);
                prompt.append((char) ('a' + letter));
            }
            lines.append("{\"prompt\": \"%s:\", \"completion\": \"%s\"}%n".formatted(prompt, "XYZ".charAt(kind)));
        }
        return Files.writeString(folder.resolve("kinds.jsonl"), lines);
    }

    private static Block recipe(String text, String... overrides) {
        return RecipeFile.load("test", text, List.of(overrides));
    }

    private String settings(Path data, String more) {
        return """
                output_dir: %s
                precision: fp32
                model: {family: gpt2, n_layer: 1, n_head: 1, n_embd: 16, n_positions: 16, tie_word_embeddings: false,
                  resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0}
                tokenizer: char
                data: {path: %s, validation_share: 0.2, %s}
                learning_rate: 1e-2
                warmup_steps: 0
                lr_scheduler_type: constant
                per_device_train_batch_size: 4
                max_steps: 60
                eval_steps: 10
                logging_steps: 60
                save_steps: 60
                threads: 1
                """.formatted(folder.resolve("out"), data, more);
    }

    private Block chainRecipe(String... overrides) throws IOException {
        return chainRecipe(20, overrides);
    }

    private Block chainRecipe(int initializations, String... overrides) throws IOException {
        String block = """
                dataset_distillation:
                  rows: 2
                  method: {type: gradient_matching, initializations: %d, steps: 10, matched_rows: 32}
                """.formatted(initializations);
        return recipe(settings(chain(), "max_length: 8") + block, overrides);
    }

    private SmallSets.Made made(Block block) {
        return SmallSets.make(block, Progress.none()).orElseThrow();
    }

    private static List<String> settings(SmallSets.Made made, String arm) {
        return made.arms().stream()
                .filter(a -> a.name().equals(arm))
                .findFirst()
                .orElseThrow()
                .settings();
    }

    /** The validation losses of a training with an arm's settings: the last, and the best. */
    private double[] losses(SmallSets.Made made, String arm, int seed) {
        List<String> settings = new ArrayList<>(settings(made, arm));
        settings.add("seed=" + seed);
        settings.add("output_dir=" + folder.resolve(arm + seed));
        try (TrainingRun run = TrainingRun.start(RecipeFile.changed(made.training(), settings), note -> {})) {
            double last = run.train().evaluation().get("eval_loss");
            double best = TrainingRun.metrics(run.folder()).stream()
                    .filter(m -> m.containsKey("eval_loss"))
                    .mapToDouble(m -> m.get("eval_loss"))
                    .min()
                    .orElseThrow();
            return new double[] {last, best};
        }
    }

    /** Every seed draws other random rows and other weights. */
    private void assertBetterThanRandom(SmallSets.Made made) {
        for (int seed = 1; seed <= SEEDS; seed++) {
            double[] learnt = losses(made, "learnt", seed);
            double[] random = losses(made, "random", seed);
            assertTrue(
                    learnt[0] < random[0], "seed %d, last: %s learnt, %s random".formatted(seed, learnt[0], random[0]));
            assertTrue(
                    learnt[1] < random[1], "seed %d, best: %s learnt, %s random".formatted(seed, learnt[1], random[1]));
        }
    }

    @Test
    void learntRowsOfATextAreBetterThanRandomOnes() throws IOException {
        assertBetterThanRandom(made(chainRecipe()));
    }

    @Test
    void learntRowsOfKindsOfTextsAreBetterThanRandomOnes() throws IOException {
        String block = """
                dataset_distillation:
                  rows: 3
                  method: {type: gradient_matching, initializations: 20, steps: 10, vector_learning_rate: 0.03}
                """;
        assertBetterThanRandom(made(recipe(settings(kinds(), KINDS) + block)));
    }

    @Test
    void theDistanceFalls() throws IOException {
        String block = """
                dataset_distillation:
                  rows: 2
                  method: {type: gradient_matching, initializations: 1, steps: 40, updates: 0, matched_rows: 200}
                """;
        // One model that stays as it is, and nearly all rows at once: every step goes down nearly the same distance.
        Block all = recipe(settings(kinds(), KINDS) + block);
        Preparation preparation = Preparation.of(SmallSetRecipe.training(all), note -> {});
        SmallSetRecipe recipe = SmallSetRecipe.of(all);
        DatasetDistillation.Problem problem =
                new DatasetDistillation.Problem(preparation, text(preparation), recipe.rows(), Progress.none());
        try (DatasetDistillation.Learner learner = new GradientMatching()
                .begin(problem, recipe.learning().orElseThrow().config())) {
            learner.round();
            float[] losses = learner.losses();
            assertEquals(40, losses.length);
            double first = mean(losses, 0, 5);
            double last = mean(losses, 35, 40);
            // Measured: from 0.37 to 0.10.
            assertTrue(last < 0.5 * first, "from %s to %s".formatted(first, last));
        }
    }

    private static double mean(float[] values, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += values[i];
        }
        return sum / (to - from);
    }

    private static TextRows text(Preparation preparation) {
        return TextRows.of(
                new Objective.Input(preparation.store().train(), preparation.tokenizer(), preparation.data(), 1, 0));
    }

    /** Stops behind the first round. */
    private static Progress impatient() {
        return new Progress() {
            private boolean stop;

            @Override
            public void step(long step, long steps, double loss) {
                stop = true;
            }

            @Override
            public void note(String text) {
                // Nobody watches.
            }

            @Override
            public boolean stopRequested() {
                return stop;
            }
        };
    }

    @Test
    void theSameSeedGivesTheSameRowsAlsoBehindAStop() throws IOException {
        Block block = chainRecipe(2);
        SmallSet once = SmallSet.read(made(block).folder().resolve("learnt"));
        Block elsewhere = chainRecipe(2, "output_dir=" + folder.resolve("stopped"));
        assertTrue(SmallSets.make(elsewhere, impatient()).isEmpty());
        assertFalse(Files.exists(folder.resolve("stopped").resolve("learnt")), "nothing is there before it is whole");
        SmallSet again = SmallSet.read(made(elsewhere).folder().resolve("learnt"));
        assertArrayEquals(
                once.learnt().orElseThrow().vectors(),
                again.learnt().orElseThrow().vectors());
        assertArrayEquals(
                once.learnt().orElseThrow().targets(),
                again.learnt().orElseThrow().targets());
        assertArrayEquals(once.rows().ids(), again.rows().ids());

        Block other = chainRecipe(2, "output_dir=" + folder.resolve("other"), "seed=7");
        SmallSet otherSeed = SmallSet.read(made(other).folder().resolve("learnt"));
        assertFalse(Arrays.equals(
                once.learnt().orElseThrow().targets(),
                otherSeed.learnt().orElseThrow().targets()));

        // What is there is not made again, and another recipe does not write over it.
        made(block);
        refused("another recipe", () -> made(chainRecipe(2, "learning_rate=2e-2")));
        SmallSets.make(chainRecipe(3, "output_dir=" + folder.resolve("third")), impatient());
        refused("began to learn", () -> made(chainRecipe(4, "output_dir=" + folder.resolve("third"))));
    }

    @Test
    void aTrainingOnLearntRowsKeepsTheirTokenVectors() throws IOException {
        SmallSets.Made made = made(chainRecipe(1));
        SmallSet set = SmallSet.read(made.folder().resolve("learnt"));
        SmallSet.Learnt learnt = set.learnt().orElseThrow();
        List<String> settings = new ArrayList<>(settings(made, "learnt"));
        settings.add("output_dir=" + folder.resolve("run"));
        settings.add("max_steps=5");
        settings.add("weight_decay=0.1");
        try (TrainingRun run = TrainingRun.start(RecipeFile.changed(made.training(), settings), note -> {})) {
            run.train();
        }
        try (LanguageModel model = LanguageModel.load(folder.resolve("run"), DType.FP32, Device.CPU)) {
            TokenEmbedding embedding = LearntRows.embedding(model, "test");
            assertArrayEquals(learnt.tokenVectors(), embedding.table().value().toFloats());
        }
        // Soft targets are probabilities, and the tokens beside the vectors are the nearest.
        for (int i = 0; i < set.rows().ids().length; i++) {
            double sum = 0;
            for (int v = 0; v < learnt.vocabulary(); v++) {
                sum += learnt.targets()[i * learnt.vocabulary() + v];
            }
            assertEquals(1, sum, 1e-5);
        }
        assertTrue(Arrays.stream(set.rows().ids()).allMatch(id -> id >= 0 && id < learnt.vocabulary()));
    }

    @Test
    void rowsThatAreNotMovedAreRowsOfTheText() throws IOException {
        String method = "dataset_distillation.method.";
        Block block = chainRecipe(1, method + "vector_learning_rate=0", method + "target_learning_rate=0");
        SmallSet set = SmallSet.read(made(block).folder().resolve("learnt"));
        Preparation preparation = Preparation.of(SmallSetRecipe.training(block), note -> {});
        TokenRows first = TextRows.of(new Objective.Input(
                        preparation.store().train(),
                        preparation.tokenizer(),
                        preparation.data(),
                        1,
                        preparation.recipe().seed()))
                .range(0, 2);
        assertArrayEquals(first.ids(), set.rows().ids());
        assertArrayEquals(first.labels(), set.rows().labels());
    }

    @Test
    void coreSetsAreRowsOfTheText() throws IOException {
        Path like = Files.writeString(folder.resolve("like.txt"), "abababab\n");
        Block block = chainRecipe(
                1,
                "dataset_distillation.against=[k_centre, {type: dsir, target: [%s]}, {type: k_centre, name: other, seed: 3}]"
                        .formatted(like),
                "dataset_distillation.rows=5");
        SmallSets.Made made = made(block);
        assertEquals(
                List.of("k_centre", "dsir", "other", "learnt"),
                made.arms().stream().map(SmallSets.Arm::name).toList());
        Preparation preparation = Preparation.of(made.training(), note -> {});
        for (String name : List.of("k_centre", "dsir", "other")) {
            SmallSet set = SmallSet.read(made.folder().resolve(name));
            assertTrue(set.learnt().isEmpty());
            assertEquals(5, set.rows().rows());
            assertEquals(40, set.rows().counted());
            List<?> numbers = (List<?>) set.madeBy().get("row_numbers");
            TextRows text = TextRows.of(new Objective.Input(
                    preparation.store().train(),
                    preparation.tokenizer(),
                    preparation.data(),
                    1,
                    preparation.recipe().seed()));
            for (int r = 0; r < 5; r++) {
                TokenRows row = text.range(((Number) numbers.get(r)).longValue(), 1);
                assertArrayEquals(row.ids(), set.rows().pick(new int[] {r}).ids());
            }
            assertTrue(Double.isFinite(losses(made, name, 1)[0]));
        }
    }

    @Test
    void withoutAMethodNothingIsLearnt() throws IOException {
        SmallSets.Made made = made(
                chainRecipe(1, "dataset_distillation.method=null", "dataset_distillation.against=[random, k_centre]"));
        assertEquals(
                List.of("random", "k_centre"),
                made.arms().stream().map(SmallSets.Arm::name).toList());
        assertFalse(Files.exists(made.folder().resolve("learnt")));
    }

    /** Windows have no documents to be too long; texts and instruction rows are one document each, packed or not. */
    @Test
    void documentsThatAreTooLongAreAnsweredWhereRowsAreDocuments() throws IOException {
        SmallSetObjective objective = new SmallSetObjective();
        Record drawn = new SmallSetObjective.Config(Optional.empty(), Optional.of(2));
        DataConfig packed = DataConfig.files("x");
        assertEquals(Set.of(), objective.onTooLong(packed, false, drawn));
        assertEquals(EnumSet.allOf(OnTooLong.class), objective.onTooLong(packed, true, drawn));
        assertEquals(EnumSet.allOf(OnTooLong.class), objective.onTooLong(packed.withPacking(false), false, drawn));
        Preparation preparation = Preparation.of(recipe(settings(kinds(), KINDS)), note -> {});
        assertEquals(
                preparation.store().train().documents(),
                rows(preparation, 12).tooLong().orElseThrow().documents());
        refused("raise max_length", () -> rows(preparation, 5));
    }

    private static BatchSource rows(Preparation preparation, int length) {
        DataConfig data = preparation.data().withOnTooLong(OnTooLong.ERROR).withMaxLength(length);
        return new SmallSetObjective()
                .source(
                        new Objective.Input(preparation.store().train(), preparation.tokenizer(), data, 4, 1),
                        new SmallSetObjective.Config(Optional.empty(), Optional.of(2)));
    }

    @Test
    void everyEpochVisitsEveryRowOnce() throws IOException {
        Preparation preparation = Preparation.of(SmallSetRecipe.training(chainRecipe()), note -> {});
        Objective.Input input =
                new Objective.Input(preparation.store().train(), preparation.tokenizer(), preparation.data(), 4, 1);
        BatchSource batches =
                new SmallSetObjective().source(input, new SmallSetObjective.Config(Optional.empty(), Optional.of(6)));
        assertEquals(2, batches.batchesPerEpoch());
        List<List<Integer>> orders = new ArrayList<>();
        for (int epoch = 0; epoch < 6; epoch++) {
            List<Integer> rows = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                Batch batch = batches.batch(2 * epoch + i);
                assertEquals(i == 0 ? 4 : 2, batch.rows());
                for (int r = 0; r < batch.rows(); r++) {
                    rows.add(Arrays.hashCode(Arrays.copyOfRange(batch.inputIds(), 8 * r, 8 * r + 8)));
                }
            }
            orders.add(rows);
        }
        assertEquals(
                1,
                orders.stream()
                        .map(o -> o.stream().sorted().toList())
                        .distinct()
                        .count());
        assertTrue(orders.stream().distinct().count() > 1);
    }

    @Test
    void whatCannotBeLearntIsRefusedInALine() throws IOException {
        refused("tie_word_embeddings: false", () -> made(chainRecipe(1, "model.tie_word_embeddings=true")));
        refused("precision: fp32", () -> made(chainRecipe(1, "precision=bf16")));
        refused("the text has only", () -> made(chainRecipe(1, "dataset_distillation.rows=100000")));
        refused("'random'", () -> made(chainRecipe(1, "dataset_distillation.against=[random, random]")));
        refused("share", () -> made(chainRecipe(1, "dataset_distillation.against=[{type: k_centre, share: 0.1}]")));
        refused("k_centre", () -> made(chainRecipe(1, "dataset_distillation.against=[k_center]")));
        refused("has no settings", () -> made(chainRecipe(1, "dataset_distillation.against=[{type: whole, rows: 3}]")));
        refused(
                "name two or more",
                () -> made(
                        chainRecipe(1, "dataset_distillation.method=null", "dataset_distillation.against=[random]")));
        refused("against: empty", () -> made(chainRecipe(1, "dataset_distillation.against=[]")));
        refused("causal_lm", () -> made(chainRecipe(1, "objective=multi_token")));
        refused("data.curriculum", () -> made(chainRecipe(1, "data.curriculum=length")));
        String remembers = settings(chain(), "max_length: 8")
                .replaceFirst(
                        "(?s)model: \\{.*?\\}",
                        "model: {family: custom, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1,"
                                + " max_position_embeddings: 16, position: none, recurrence: transformer_xl,"
                                + " tie_word_embeddings: false}");
        String method = "dataset_distillation: {rows: 2, method: gradient_matching}\n";
        refused("leave recurrence out", () -> made(recipe(remembers + method)));
        refused("no block 'dataset_distillation'", () -> made(recipe("seed: 1")));

        SmallSets.Made made = made(chainRecipe(1));
        Path learnt = made.folder().resolve("learnt");
        String onIt = settings(made, "learnt").getFirst();
        refused("token vectors [9, 16]", () -> start(made, onIt, "model.n_embd=8"));
        refused("would move it", () -> start(made, onIt, "model.tie_word_embeddings=true"));
        refused("another tokenizer", () -> start(made, onIt, "tokenizer={type: bpe, vocab_size: 260}"));
        refused("no set.json", () -> start(made, "objective={type: small_set, path: %s}".formatted(folder)));
        refused("random_rows", () -> start(made, "objective={type: small_set}"));
        refused("lower it", () -> start(made, "objective={type: small_set, random_rows: 1000000}"));
        byte[] bytes = Files.readAllBytes(learnt.resolve("set.safetensors"));
        bytes[bytes.length - 1] ^= 1;
        Files.write(learnt.resolve("set.safetensors"), bytes);
        refused("the file is corrupt", () -> start(made, onIt));
    }

    private void start(SmallSets.Made made, String... settings) {
        List<String> all = new ArrayList<>(List.of(settings));
        all.add("output_dir=" + folder.resolve("refused"));
        TrainingRun.start(RecipeFile.changed(made.training(), all), note -> {}).close();
    }

    private static void refused(String part, org.junit.jupiter.api.function.Executable work) {
        QuernException refused = assertThrows(QuernException.class, work);
        assertTrue(refused.getMessage().contains(part), refused.getMessage());
        assertEquals(1, refused.getMessage().lines().count());
    }
}
