package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.recipe.Block;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

class StepBenchmarkTest {
    private static final Workload SMALL = Workload.of("char").sized(2, 16, 0);
    /** Shares are quotients of doubles. */
    private static final double EXACT = 1e-9;

    /** Threads that the system holds up at a border between parts count a little twice: 0.017 at most on a busy machine. */
    private static final double HELD_UP = 0.05;

    @TempDir
    Path folder;

    private static StepBenchmark.Settings settings(int parts, int ceiling) {
        return new StepBenchmark.Settings(4, 2, 2, parts, ceiling, 2);
    }

    @Test
    void aWorkloadIsTimedAndDivided() {
        List<StepBenchmark.Group> groups = new ArrayList<>();
        StepBenchmark.Result result = StepBenchmark.run(SMALL, Precision.FP32, settings(2, 1), groups::add);
        assertEquals(
                List.of(2, 4), groups.stream().map(StepBenchmark.Group::step).toList());
        assertEquals(2, result.subject().batch());
        assertEquals(result.loss(), groups.getLast().loss());
        assertEquals(result.tokensPerSec(), result.countedTokensPerSec(), EXACT);
        double sum = result.parts().orElseThrow().shares().values().stream()
                .mapToDouble(Double::doubleValue)
                .sum();
        assertEquals(1, sum, HELD_UP);
        assertTrue(result.parts().get().shares().get("head") > 0, result.toString());
        GemmCeiling ceiling = result.ceiling().orElseThrow();
        assertEquals(15, ceiling.products().size());
        double slowest = ceiling.products().stream()
                .mapToDouble(GemmCeiling.Rate::gflops)
                .min()
                .orElseThrow();
        double fastest = ceiling.products().stream()
                .mapToDouble(GemmCeiling.Rate::gflops)
                .max()
                .orElseThrow();
        assertTrue(slowest <= ceiling.gflops() && ceiling.gflops() <= fastest, ceiling.toString());
        double perSecond = result.modelGflop().orElseThrow() * result.tokensPerSec() / SMALL.tokens();
        assertEquals(perSecond / ceiling.gflops(), result.shareOfCeiling().orElseThrow(), EXACT);
    }

    @Test
    void theListenerMayEndIt() {
        int[] asked = {0};
        List<StepBenchmark.Group> groups = new ArrayList<>();
        StepBenchmark.Listener once = new StepBenchmark.Listener() {
            @Override
            public boolean goesOn() {
                return asked[0]++ == 0;
            }

            @Override
            public void ended(StepBenchmark.Group group) {
                groups.add(group);
            }
        };
        StepBenchmark.run(SMALL, Precision.BF16, settings(0, 0), once);
        assertEquals(1, groups.size());
        assertThrows(IllegalStateException.class, () -> StepBenchmark.run(SMALL, Precision.BF16, settings(0, 0), once));
    }

    /** As nanoGPT counts: 6·N·tokens without positions, 12·L·d·T·tokens. */
    @Test
    void operationsLeaveOutTablesThatAreOnlyLookedUp() {
        Workload gpt = Workload.of("30m");
        assertEquals(6.0 * 1000 * 2048 + 12.0 * 6 * 384 * 256 * 2048, gpt.flops(1000 + 384 * 256));
        Workload llama = Workload.of("llama60m");
        assertEquals(6.0 * 1000 * 2048 + 12.0 * 8 * 512 * 512 * 2048, llama.flops(1000 + 32000 * 512));
    }

    /** The first tokens of bench/python/step_time.py's stream for this vocabulary and seed. */
    @Test
    void theStreamIsThePeers() {
        Batch batch = new SyntheticTokens(Workload.of("char").vocabulary(), 1337).batch(1, 8);
        assertEquals(List.of(STREAM), Arrays.stream(batch.inputIds()).boxed().toList());
        assertArrayEquals(Arrays.copyOfRange(batch.inputIds(), 1, 8), Arrays.copyOf(batch.labels(), 7));
    }

    private static final Integer[] STREAM = {3, 1, 0, 35, 61, 37, 45, 37};

    @Test
    void aRecipesTrainingIsTimed() {
        List<StepBenchmark.Group> groups = new ArrayList<>();
        StepBenchmark.Result result = StepBenchmark.run(
                "tiny",
                RecipeFile.load("tiny.yaml", TinyRuns.recipe(folder), List.of()),
                settings(1, 1),
                note -> {},
                groups::add);
        assertEquals("tiny", result.subject().model());
        assertEquals(2, groups.size());
        assertTrue(result.parts().isPresent() && result.ceiling().isEmpty(), result.toString());
        assertTrue(result.countedTokensPerSec() <= result.tokensPerSec(), result.toString());
        assertTrue(result.parts().get().shares().get("data") > 0, result.toString());
    }

    @Test
    void aRecipeSaysItsThreadsAndRows() {
        Block recipe = TinyRuns.block(folder, "threads=1");
        StepBenchmark.Settings settings = new StepBenchmark.Settings(1, 0, 1, 0, 0, 0);
        StepBenchmark.Subject subject = StepBenchmark.run("tiny", recipe, settings, note -> {}, group -> {})
                .subject();
        assertEquals(1, subject.threads());
        BatchSource batches = Preparation.of(recipe, note -> {}).batches();
        long rows = LongStream.range(0, batches.batchesPerEpoch())
                .map(i -> batches.batch(i).rows())
                .sum();
        assertEquals(rows, subject.rows().orElseThrow());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gradient_accumulation_steps=3;batch_size_warmup={start: 4, steps: 3}",
                "gradient_noise_scale={every: 2}"
            })
    void aRecipesStepsAreThoseOfItsTraining(String settings) {
        List<String> overrides = new ArrayList<>(List.of(settings.split(";")));
        overrides.add("max_steps=5");
        Block recipe = TinyRuns.block(folder, overrides.toArray(String[]::new));
        List<Double> trained = TinyRuns.metrics(TinyRuns.train(recipe).folder()).stream()
                .filter(m -> m.containsKey("loss"))
                .map(m -> m.get("loss"))
                .toList();
        List<Double> timed = new ArrayList<>();
        try (TimedSteps steps = TimedSteps.of(Preparation.of(recipe, note -> {}))) {
            for (int i = 0; i < 5; i++) {
                steps.take(1);
                timed.add(steps.last());
            }
        }
        assertEquals(trained, timed);
    }

    @Test
    void textsRunToTheirFullLength() {
        GenerationBenchmark.Settings settings =
                new GenerationBenchmark.Settings(Workload.of("char"), Precision.FP32, 2, 5, 3, true, 1, 7);
        try (GenerationBenchmark benchmark = new GenerationBenchmark(settings)) {
            assertTrue(benchmark.tokensPerSecond() > 0);
            // Blocks of 12·d² weights and 13·d of norms and biases, the last norm, 65 tokens, 512 positions.
            assertEquals(4 * (12 * 128 * 128 + 13 * 128) + 2 * 128 + (65 + 512) * 128, benchmark.parameters());
        }
    }

    @Test
    void unknownWorkloadsAreRefused() {
        QuernException e = assertThrows(QuernException.class, () -> Workload.of("60m"));
        assertTrue(e.getMessage().contains("llama60m"), e.getMessage());
    }
}
