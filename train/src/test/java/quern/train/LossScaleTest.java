package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.ExitCode;
import quern.recipe.LossScale;
import quern.recipe.QuernException;
import quern.tensor.Parameter;
import quern.tensor.Scope;

/** Training in fp16: the loss scale grows, backs off and ends at its floor, and no overflow reaches a weight. */
class LossScaleTest {
    /** A scale under which the gradients of a tiny model are far above fp16's largest number, 65,504. */
    private static final double TOO_LARGE = 1L << 32;

    /** The steps in which a forced overflow must be over. */
    private static final int RECOVERY = 20;

    /** fp16 has 11 significant bits, and a dozen steps add up some dozen roundings of 2^-12. */
    private static final double CLOSE = 0.02;

    @TempDir
    Path folder;

    private record Seen(StepResult result, Map<String, float[]> weights) {}

    private List<Seen> train(String... overrides) {
        List<Seen> seen = new ArrayList<>();
        try (TrainingRun run = TrainingRun.start(TinyRuns.block(folder, overrides), note -> {})) {
            run.addHook(new TrainingHook() {
                @Override
                public void onBegin(TrainingProgress progress) {
                    seen.add(new Seen(null, weights(run)));
                }

                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    seen.add(new Seen(result, weights(run)));
                }
            });
            run.train();
        }
        return seen;
    }

    private static Map<String, float[]> weights(TrainingRun run) {
        Map<String, float[]> all = new java.util.TreeMap<>();
        try (Scope scope = Scope.open()) {
            for (Parameter p : run.model().parameters()) {
                all.put(p.name(), p.value().detach().to(quern.tensor.DType.FP32).toFloats());
            }
        }
        return all;
    }

    private static boolean same(Map<String, float[]> a, Map<String, float[]> b) {
        return a.keySet().stream().allMatch(name -> java.util.Arrays.equals(a.get(name), b.get(name)));
    }

    @Test
    void aForcedOverflowIsOverInTwentyStepsAndChangesNothing() {
        List<Seen> seen = train(
                "precision=fp16", "max_steps=30", "warmup_steps=0", "loss_scale.initial=" + TOO_LARGE, "eval_steps=0");
        int first = 1;
        while (seen.get(first).result().update() == StepResult.Update.OVERFLOWED) {
            assertTrue(same(seen.get(0).weights(), seen.get(first).weights()), "step " + first + " changed a weight");
            assertTrue(seen.get(first).result().note().orElseThrow().contains("loss scale"));
            first++;
        }
        assertTrue(first > 1, "nothing overflowed");
        // At the edge of what fits a later step may overflow too; it changes nothing either.
        int skipped = 0;
        for (int i = 1; i < seen.size(); i++) {
            boolean taken = seen.get(i).result().update() == StepResult.Update.TAKEN;
            assertEquals(!taken, same(seen.get(i - 1).weights(), seen.get(i).weights()), "step " + i);
            skipped += taken ? 0 : 1;
        }
        int left = skipped;
        assertTrue(left <= RECOVERY, left + " steps without an update");
        // The optimizer counts the updates that were taken, the run its steps.
        Path checkpoint = Checkpoints.folder(folder.resolve("run"), 30);
        try (Scope scope = Scope.open()) {
            Checkpoints.readOptimizer(checkpoint).forEach((name, t) -> {
                if (name.startsWith("step/")) {
                    assertEquals(30.0, t.item() + Checkpoints.readState(checkpoint).skipped, name);
                }
            });
        }
        assertEquals(left, Checkpoints.readState(checkpoint).skipped);
        Map<String, Double> last = MetricsLog.read(folder.resolve("run")).stream()
                .filter(m -> m.containsKey("loss_scale"))
                .reduce((a, b) -> b)
                .orElseThrow();
        assertEquals(TOO_LARGE * Math.pow(0.5, left), last.get("loss_scale"));
        assertEquals(left, last.get("skipped_steps"));
    }

    @Test
    void atTheFloorTheTrainingStopsAndSaysWhy() throws IOException {
        QuernException e = assertThrows(
                QuernException.class,
                () -> train(
                        "precision=fp16", "loss_scale={initial: %s, floor: %s}".formatted(TOO_LARGE, TOO_LARGE / 4)));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().startsWith("step 3: the gradient of '"), e.getMessage());
        assertTrue(e.getMessage().contains("segment '"), e.getMessage());
        assertTrue(e.getMessage().contains("smallest loss scale, 1.073741824E9 (loss_scale.floor)"), e.getMessage());
        String kept = Files.readString(folder.resolve("run").resolve(KeptBatches.FILE));
        assertTrue(kept.startsWith("{\"step\":3,\"reason\":\"overflow: the gradient of '"), kept);
    }

    /** The same scale of 65536 or none: powers of two are exact, so only what would vanish or overflow differs. */
    @ParameterizedTest
    @ValueSource(strings = {TinyRuns.GPT2, TinyRuns.LLAMA})
    void learnsAsInFp32(String model) {
        List<Double> whole = losses(model, "fp32");
        List<Double> half = losses(model, "fp16");
        assertTrue(half.getLast() < 0.9 * half.getFirst(), half::toString);
        for (int i = 0; i < whole.size(); i++) {
            assertEquals(whole.get(i), half.get(i), CLOSE * whole.get(i), "step " + (i + 1));
        }
    }

    private List<Double> losses(String model, String precision) {
        List<Double> losses = new ArrayList<>();
        // No dropout: its masks are drawn in the dtype of what they drop.
        TinyRuns.train(
                TinyRuns.blockOf(
                        model.replace("dropout: 0.1", "dropout: 0.0"),
                        folder,
                        "precision=" + precision,
                        "max_steps=30"),
                new TrainingHook() {
                    @Override
                    public void onStep(TrainingProgress progress, StepResult result) {
                        losses.add(result.loss());
                    }
                });
        return losses;
    }

    @Test
    void resumesBitForBitInTheMiddleOfARecoveryAndOfAGrowth() {
        String[] overrides = {
            "precision=fp16", "loss_scale={initial: %s, growth_interval: 2}".formatted(TOO_LARGE), "save_steps=50"
        };
        for (long stop : new long[] {3, 11}) {
            Path whole = TinyRuns.train(TinyRuns.block(
                            folder, with(overrides, "max_steps=20", "output_dir=" + folder + "/a" + stop)))
                    .folder();
            Path part = TinyRuns.trainUntil(
                            TinyRuns.block(
                                    folder, with(overrides, "max_steps=20", "output_dir=" + folder + "/b" + stop)),
                            stop)
                    .folder();
            TinyRuns.resume(part);
            assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(part));
            Path a = Checkpoints.folder(whole, 20);
            Path b = Checkpoints.folder(part, 20);
            for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors", Checkpoints.STATE)) {
                assertEquals(TinyRuns.content(a).get(file), TinyRuns.content(b).get(file), file);
            }
        }
    }

    private static String[] with(String[] some, String... more) {
        List<String> all = new ArrayList<>(List.of(some));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    @Test
    void growsAfterGoodStepsAndBacksOff() {
        LossScaler scaler = new LossScaler(new LossScale(8, 3, 4, 0.5, 2));
        scaler.taken();
        scaler.taken();
        scaler.overflowed(3, "x");
        assertEquals(4, scaler.scale());
        scaler.taken();
        scaler.taken();
        assertEquals(4, scaler.scale(), "an overflow starts the count anew");
        scaler.taken();
        assertEquals(16, scaler.scale());
        LossScaler resumed = new LossScaler(new LossScale(8, 3, 4, 0.5, 2));
        resumed.load(scaler.state());
        for (int i = 0; i < 3; i++) {
            resumed.overflowed(i, "x");
        }
        assertEquals(2, resumed.scale());
        assertTrue(resumed.isAtFloor());
        assertThrows(QuernException.class, () -> resumed.overflowed(9, "x"));
    }

    @Test
    void neverGrowsBeyondWhatFp32Holds() {
        LossScaler scaler = new LossScaler(new LossScale(1e38, 1, 10, 0.5, 1));
        scaler.taken();
        assertEquals(1e38, scaler.scale());
    }
}
