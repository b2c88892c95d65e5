package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.Regularization;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.Block;
import quern.recipe.GradientNoiseScale;
import quern.recipe.QuernException;

/** How many sequences a step has, and how they go through the model. */
class BatchSizeTest {
    /** fp32 sums of some hundred terms in another order. */
    private static final double ROUNDING = 1e-5;

    @TempDir
    Path folder;

    private static final class Watch implements TrainingHook {
        final List<StepResult> results = new ArrayList<>();
        final List<TrainingProgress> progress = new ArrayList<>();
        final List<String> notes = new ArrayList<>();

        @Override
        public void onStep(TrainingProgress at, StepResult result) {
            results.add(result);
            progress.add(at);
        }

        @Override
        public void onNote(TrainingProgress at, String note) {
            notes.add(note);
        }
    }

    private Block recipe(String name, String... more) {
        List<String> all = new ArrayList<>(List.of(more));
        all.add("output_dir=" + folder.resolve(name));
        return TinyRuns.block(folder, all.toArray(String[]::new));
    }

    // --- warm-up ---

    @Test
    void theBatchGrowsAndReadsEveryBatchOnce() {
        StepBatches batches = StepBatches.of(quern.recipe.Recipe.from(
                recipe("x", "gradient_accumulation_steps=8", "batch_size_warmup={start: 8, steps: 5}")));
        long next = 0;
        for (int step = 0; step < 12; step++) {
            assertEquals(next, batches.first(step), "step " + step);
            // From 2 micro-batches of 4 rows to 8 in five steps.
            assertEquals(step < 5 ? 2 + 6 * step / 5 : 8, batches.count(step), "step " + step);
            next += batches.count(step);
        }
        for (long read = 1; read < 60; read++) {
            long steps = batches.stepsFor(read);
            assertTrue(batches.first(steps) >= read && batches.first(steps - 1) < read, read + " in " + steps);
        }
    }

    @Test
    void tokensAndEpochsAreThoseOfTheBatchesRead() {
        Watch watch = new Watch();
        String[] growing = {
            "gradient_accumulation_steps=3", "batch_size_warmup={start: 4, steps: 4}", "max_steps=6", "save_steps=0"
        };
        TinyRuns.train(recipe("run", growing), watch);
        long[] rows = {4, 4, 8, 8, 12, 12};
        long tokens = 0;
        for (int i = 0; i < rows.length; i++) {
            assertEquals(rows[i], watch.results.get(i).sequences(), "step " + (i + 1));
            tokens += watch.results.get(i).tokens();
            assertEquals(tokens, watch.progress.get(i).tokens());
        }
        assertEquals(48 * 16, tokens);
        Map<String, Double> last = TinyRuns.metrics(folder.resolve("run")).stream()
                .filter(m -> m.containsKey("train_batch_size"))
                .reduce((a, b) -> b)
                .orElseThrow();
        assertEquals(12, last.get("train_batch_size"));
    }

    @Test
    void aPassOverTheDataIsAPassOverTheData() {
        Watch watch = new Watch();
        Block recipe = recipe(
                "run",
                "gradient_accumulation_steps=3",
                "batch_size_warmup={start: 4, steps: 2}",
                "max_steps=0",
                "num_train_epochs=1");
        long batches = Preparation.of(recipe, note -> {}).batches().batchesPerEpoch();
        TinyRuns.train(recipe, watch);
        double epoch = watch.progress.getLast().epoch();
        assertTrue(epoch >= 1 && epoch < 1 + 3.0 / batches, "ended at " + epoch);
    }

    @ParameterizedTest
    @CsvSource({
        "'batch_size_warmup={start: 4, steps: 6}', 3",
        "'batch_size_warmup={start: 4, steps: 6}', 8",
        "gradient_noise_scale={}, 5",
        "'gradient_noise_scale={every: 3, decay: 0.5}', 5",
        "auto_find_batch_size=true, 5"
    })
    void resumesBitForBit(String setting, long stop) {
        String[] settings = {setting, "gradient_accumulation_steps=3"};
        Path whole = TinyRuns.train(recipe("whole", settings)).folder();
        Path part = TinyRuns.trainUntil(recipe("part", settings), stop).folder();
        TinyRuns.resume(part);
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(part));
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors", Checkpoints.STATE)) {
            assertEquals(
                    TinyRuns.content(Checkpoints.folder(whole, 12)).get(file),
                    TinyRuns.content(Checkpoints.folder(part, 12)).get(file),
                    file);
        }
    }

    // --- micro-batches ---

    @ParameterizedTest
    @CsvSource({"1", "3", "5", "12", "100"})
    void anyDivisionOfAStepGivesTheSameLossAndGradient(int rows) {
        Block recipe = TinyRuns.blockOf(
                TinyRuns.GPT2.replace("dropout: 0.1", "dropout: 0.0"),
                folder,
                "gradient_accumulation_steps=3",
                "data.packing=false",
                "data.text_unit=line");
        Preparation p = Preparation.of(recipe, note -> {});
        List<Batch> batches =
                List.of(p.batches().batch(0), p.batches().batch(1), p.batches().batch(2));
        StepResult whole = step(p, batches);
        List<Batch> divided = MicroBatches.ofRows(batches, rows);
        assertTrue(divided.stream().allMatch(b -> b.rows() <= rows));
        assertEquals(12, divided.stream().mapToInt(Batch::rows).sum());
        StepResult other = step(p, divided);
        assertEquals(whole.loss(), other.loss(), ROUNDING * whole.loss());
        assertEquals(whole.gradientNorm(), other.gradientNorm(), ROUNDING * whole.gradientNorm());
        assertEquals(whole.tokens(), other.tokens());
        assertEquals(whole.countedTokens(), other.countedTokens());
    }

    private static StepResult step(Preparation p, List<Batch> batches) {
        try (LanguageModel model = p.model();
                Optimizer optimizer = p.optimizer(model.network())) {
            return new TrainingStep(
                            model.network(), model.device(), optimizer, new GradientClipping(1), Regularization.NONE, 1)
                    .take(0, batches, 1e-3);
        }
    }

    @Test
    void rowsKeepTheirOrderAndTheirOtherValues() {
        List<Batch> batches = new ArrayList<>();
        for (int b = 0; b < 2; b++) {
            int[] ids = {10 * b, 10 * b + 1, 10 * b + 2, 10 * b + 3, 10 * b + 4, 10 * b + 5};
            batches.add(new Batch(
                    3,
                    2,
                    ids,
                    new int[] {b, b, b},
                    new int[] {2, 1, 2},
                    Map.of("pixels", new Batch.Values.Floats(new float[] {b, b + .1f, b + .2f}, 3, 1))));
        }
        List<Batch> divided = MicroBatches.ofRows(batches, 4);
        assertEquals(List.of(4, 2), divided.stream().map(Batch::rows).toList());
        assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 10, 11}, divided.get(0).inputIds());
        assertArrayEquals(new int[] {0, 0, 0, 1}, divided.get(0).labels());
        assertArrayEquals(new int[] {1, 2}, divided.get(1).lengths());
        Batch.Values.Floats pixels =
                (Batch.Values.Floats) divided.get(1).others().get("pixels");
        assertArrayEquals(new float[] {1.1f, 1.2f}, pixels.values());
        assertArrayEquals(new int[] {2, 1}, pixels.shape());
        Batch wider = new Batch(1, 3, new int[3], new int[3], new int[] {3});
        Batch narrow = new Batch(1, 2, new int[2], new int[2], new int[] {2});
        assertEquals(
                List.of(narrow, wider), MicroBatches.ofRows(List.of(narrow, wider), 8), "unlike shapes stay apart");
    }

    @Test
    void asManyRowsAsMemoryAllows() {
        Preparation p = Preparation.of(recipe("x", "per_device_train_batch_size=16"), note -> {});
        List<Batch> batches = List.of(p.batches().batch(0));
        try (LanguageModel model = p.model();
                Optimizer optimizer = p.optimizer(model.network())) {
            TrainingStep step = new TrainingStep(
                    model.network(), model.device(), optimizer, new GradientClipping(1), Regularization.NONE, 1);
            MicroBatchSize plenty = new MicroBatchSize();
            plenty.find(step, batches, 16, model.device(), () -> 1L << 50);
            assertEquals(16, plenty.rows());
            MicroBatchSize little = new MicroBatchSize();
            little.find(step, batches, 16, model.device(), () -> 0);
            assertEquals(1, little.rows());
            assertEquals(16, little.divide(batches).size());
            assertTrue(plenty.halve());
            assertEquals(8, plenty.rows());
            assertFalse(little.halve());
            model.parameters().forEach(parameter -> {
                try (quern.tensor.Scope scope = quern.tensor.Scope.open()) {
                    assertFalse(parameter.grad().isDefined(), "a trial leaves no gradient");
                }
            });
        }
    }

    @Test
    void theStepStaysTheSameWhateverTheTrialFound() {
        Watch plain = new Watch();
        Watch found = new Watch();
        String[] still = {"gradient_accumulation_steps=2", "model.dropout=0"};
        TinyRuns.train(recipe("plain", still), plain);
        String[] auto = {"gradient_accumulation_steps=2", "model.dropout=0", "auto_find_batch_size=true"};
        TinyRuns.train(recipe("auto", auto), found);
        assertTrue(
                found.notes.getFirst().startsWith("auto_find_batch_size: 8 of the 8 sequences"), found.notes::toString);
        for (int i = 0; i < plain.results.size(); i++) {
            StepResult a = plain.results.get(i);
            StepResult b = found.results.get(i);
            // Differences of a rounding grow over the steps of a training.
            assertEquals(a.loss(), b.loss(), 100 * ROUNDING * a.loss(), "step " + (i + 1));
            assertEquals(a.tokens(), b.tokens());
        }
    }

    @Test
    void objectivesThatJudgeRowsTogetherAreNotDivided() {
        String[] overrides = {"objective=contrastive_text_image", "auto_find_batch_size=true"};
        QuernException e = assertThrows(QuernException.class, () -> Preparation.of(recipe("x", overrides), note -> {}));
        assertFalse(new quern.data.ContrastiveTextImage().dividesBatches());
        assertFalse(e.getMessage().isEmpty());
    }

    // --- gradient noise ---

    /**
     * Gradients of known noise: G = (3, 4) and a standard deviation of 5 in each of two directions for one token, so
     * |G|² = 25, tr(Σ) = 50 and the scale is 2.
     */
    @Test
    void findsTheNoiseOfASyntheticProblem() {
        GradientNoise noise = new GradientNoise(new GradientNoiseScale(0.9995, 1));
        SplittableRandom random = new SplittableRandom(7);
        int[] sizes = {1, 2, 1, 4};
        for (int step = 0; step < 20_000; step++) {
            noise.begin();
            double[] sum = new double[2];
            int tokens = 0;
            for (int size : sizes) {
                double[] g = new double[2];
                for (int token = 0; token < size; token++) {
                    g[0] += 3 + 5 * random.nextGaussian();
                    g[1] += 4 + 5 * random.nextGaussian();
                }
                noise.addSmall((g[0] * g[0] + g[1] * g[1]) / (size * size), size);
                sum[0] += g[0];
                sum[1] += g[1];
                tokens += size;
            }
            noise.end((sum[0] * sum[0] + sum[1] * sum[1]) / ((double) tokens * tokens), tokens);
        }
        // Averages of about 4,000 measurements, each of which is off by about its own size.
        assertEquals(25, noise.squaredGradient(), 0.05 * 25);
        assertEquals(50, noise.covarianceTrace(), 0.05 * 50);
        assertEquals(2, noise.scale().orElseThrow(), 0.1 * 2);
    }

    @Test
    void withoutNoiseTheScaleIsNothing() {
        GradientNoise noise = new GradientNoise(new GradientNoiseScale(0.9, 1));
        assertTrue(noise.scale().isEmpty());
        noise.begin();
        noise.addSmall(25, 3);
        noise.end(25, 3);
        assertTrue(noise.scale().isEmpty(), "one micro-batch tells nothing");
        noise.begin();
        noise.addSmall(25, 3);
        noise.addSmall(25, 3);
        noise.end(25, 6);
        assertEquals(25, noise.squaredGradient(), 1e-12);
        assertEquals(0, noise.covarianceTrace(), 1e-12);
    }

    /** Measuring changes no update, but for the order in which a tied weight's gradients are summed. */
    @ParameterizedTest
    @CsvSource({"fp32, 2", "bf16, 2", "fp16, 3", "fp32, 1"})
    void measuringChangesNoUpdate(String precision, int accumulation) {
        Watch plain = new Watch();
        Watch measured = new Watch();
        String[] settings = {
            "precision=" + precision, "gradient_accumulation_steps=" + accumulation, "model.dropout=0", "max_steps=4"
        };
        TinyRuns.train(recipe("plain", settings), plain);
        String[] with = java.util.Arrays.copyOf(settings, 5);
        with[4] = "gradient_noise_scale={}";
        TinyRuns.train(recipe("measured", with), measured);
        // With one micro-batch the batch is cut in two, which rounds gradients of 8 bits otherwise.
        double close = precision.equals("fp32") ? 100 * ROUNDING : 1e-2;
        for (int i = 0; i < 4; i++) {
            StepResult a = plain.results.get(i);
            StepResult b = measured.results.get(i);
            assertEquals(a.loss(), b.loss(), close * a.loss(), "step " + (i + 1));
            assertEquals(a.gradientNorm(), b.gradientNorm(), close * a.gradientNorm(), "step " + (i + 1));
        }
        assertTrue(
                TinyRuns.metrics(folder.resolve("measured")).stream()
                        .anyMatch(m -> m.getOrDefault("gradient_noise_scale", -1.0) > 0),
                () -> TinyRuns.metrics(folder.resolve("measured")).toString());
    }
}
