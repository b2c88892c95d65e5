package quern.train;

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
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Batch;
import quern.models.LanguageModel;
import quern.nn.SegmentHook;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.SpikeGuard;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import tools.jackson.databind.JsonNode;

/** Losses far above the last ones, and values that are not finite: no update, and the batch is kept. */
class SpikeGuardTest {
    /** A deviation above the mean of three losses is nothing rare, so some of a few dozen steps are spikes. */
    private static final String FREQUENT =
            "{threshold: 1.0, window: 3, action: %s, max_consecutive: 50, kept_batches: 4}";

    private static final int STEPS = 40;

    @TempDir
    Path folder;

    private record Seen(StepResult result, Map<String, float[]> weights) {}

    private Block recipe(String action, String name, String... more) {
        List<String> all = new ArrayList<>(List.of(more));
        all.add("spike_guard=" + FREQUENT.formatted(action));
        all.add("max_steps=" + STEPS);
        all.add("save_steps=6");
        all.add("save_total_limit=1");
        all.add("output_dir=" + folder.resolve(name));
        return TinyRuns.block(folder, all.toArray(String[]::new));
    }

    private static Map<String, float[]> weights(LanguageModel model) {
        Map<String, float[]> all = new TreeMap<>();
        try (Scope scope = Scope.open()) {
            for (Parameter p : model.parameters()) {
                all.put(p.name(), p.value().detach().to(DType.FP32).toFloats());
            }
        }
        return all;
    }

    private static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual, String when) {
        expected.forEach((name, values) -> assertArrayEquals(values, actual.get(name), when + ": " + name));
    }

    @Test
    void aSpikeChangesNothingAndItsBatchIsKept() throws IOException {
        List<Seen> seen = new ArrayList<>();
        List<Batch> batches = new ArrayList<>();
        quern.data.Tokenizer tokenizer;
        try (TrainingRun run = TrainingRun.start(recipe("skip", "run"), note -> {})) {
            seen.add(new Seen(null, weights(run.model())));
            run.addHook(new TrainingHook() {
                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    seen.add(new Seen(result, weights(run.model())));
                }
            });
            run.train();
            for (int i = 0; i < STEPS; i++) {
                batches.add(run.preparation().batches().batch(i));
            }
            tokenizer = run.preparation().tokenizer();
        }
        List<Integer> spikes = new ArrayList<>();
        for (int i = 1; i < seen.size(); i++) {
            if (seen.get(i).result().update() == StepResult.Update.SPIKED) {
                assertSame(seen.get(i - 1).weights(), seen.get(i).weights(), "step " + i);
                spikes.add(i);
            }
        }
        assertTrue(spikes.size() > 4, "spikes at " + spikes);
        assertEquals(spikes.size(), Checkpoints.readState(Checkpoints.folder(folder.resolve("run"), STEPS)).skipped);
        List<String> lines = Files.readAllLines(folder.resolve("run").resolve(KeptBatches.FILE));
        assertEquals(4, lines.size(), "the newest four");
        for (int i = 0; i < 4; i++) {
            int step = spikes.get(spikes.size() - 4 + i);
            JsonNode line = Json.parse(lines.get(i));
            assertEquals(step, line.get("step").asInt());
            assertEquals("spike", line.get("reason").asString());
            assertEquals(seen.get(step).result().loss(), line.get("loss").asDouble());
            assertTrue(line.get("loss").asDouble() > line.get("limit").asDouble());
            Batch batch = batches.get(step - 1);
            assertEquals(batch.rows(), line.get("rows").size());
            for (int row = 0; row < batch.rows(); row++) {
                int[] tokens = Arrays.copyOfRange(
                        batch.inputIds(), row * batch.columns(), row * batch.columns() + batch.lengths()[row]);
                JsonNode kept = line.get("rows").get(row);
                assertEquals(tokens.length, kept.get("tokens").size());
                assertEquals(tokens[0], kept.get("tokens").get(0).asInt());
                assertEquals(tokenizer.decode(tokens), kept.get("text").asString());
            }
        }
    }

    @Test
    void rewindBringsBackTheLastCheckpointsWeights() {
        List<Long> rewound = new ArrayList<>();
        Path path = folder.resolve("run");
        try (TrainingRun run = TrainingRun.start(recipe("rewind", "run"), note -> {})) {
            run.addHook(new TrainingHook() {
                @Override
                public void onNote(TrainingProgress progress, String note) {
                    if (note.contains("weights and optimizer are those of step")) {
                        long step = progress.step() - 1;
                        step -= step % 6;
                        assertTrue(note.endsWith("of step " + step + " again"), note);
                        try (LanguageModel saved =
                                LanguageModel.load(Checkpoints.folder(path, step), DType.FP32, Device.CPU)) {
                            assertSame(weights(saved), weights(run.model()), note);
                        }
                        rewound.add(progress.step());
                    }
                }
            });
            run.train();
        }
        assertFalse(rewound.isEmpty());
        TrainerState state = Checkpoints.readState(Checkpoints.folder(path, STEPS));
        assertEquals(rewound.size(), state.rewinds);
        assertEquals(36, state.rewindStep);
        // One as the limit says, and the one that a spike would lead back to.
        assertEquals(List.of("checkpoint-36", "checkpoint-40"), names(path));
    }

    private static List<String> names(Path run) {
        return Checkpoints.list(run).stream()
                .map(p -> p.getFileName().toString())
                .toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"skip", "rewind"})
    void resumesBitForBit(String action) {
        Path whole = TinyRuns.train(recipe(action, "whole")).folder();
        for (long stop : new long[] {13, 20}) {
            Path part = TinyRuns.trainUntil(recipe(action, "part" + stop), stop).folder();
            TinyRuns.resume(part);
            assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(part), "after a stop at " + stop);
            for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors", Checkpoints.STATE)) {
                assertEquals(
                        TinyRuns.content(Checkpoints.folder(whole, STEPS)).get(file),
                        TinyRuns.content(Checkpoints.folder(part, STEPS)).get(file),
                        file + " after a stop at " + stop);
            }
            assertEquals(
                    TinyRuns.content(whole).get(KeptBatches.FILE),
                    TinyRuns.content(part).get(KeptBatches.FILE));
        }
    }

    @Test
    void tooManyInARowStopTheTraining() {
        Block recipe =
                recipe("skip", "run").with("spike_guard", Map.of("threshold", 1.0, "window", 3, "max_consecutive", 1));
        QuernException e = assertThrows(QuernException.class, () -> TinyRuns.train(recipe));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().contains("(spike_guard.max_consecutive)"), e.getMessage());
        assertTrue(Files.exists(folder.resolve("run").resolve(KeptBatches.FILE)));
    }

    @Test
    void judgesByMeanAndDeviationOfTheWindow() {
        SpikeDetector detector = new SpikeDetector(new SpikeGuard(2, 4, SpikeGuard.Action.SKIP, 3, 1));
        for (double loss : new double[] {9, 1, 2, 3}) {
            assertEquals(Optional.empty(), detector.judge(100), "the window is not full");
            detector.taken(loss);
        }
        detector.taken(4);
        // Of 1, 2, 3, 4: the mean 2.5, the deviation of a sample sqrt(5/3).
        double limit = 2.5 + 2 * Math.sqrt(5.0 / 3);
        assertEquals(Optional.empty(), detector.judge(limit));
        SpikeDetector.Spike spike = detector.judge(limit + 1e-9).orElseThrow();
        assertEquals(2.5, spike.mean());
        assertEquals(limit, spike.limit());
        detector.leftOut(1, spike);
        SpikeDetector resumed = new SpikeDetector(new SpikeGuard(2, 4, SpikeGuard.Action.SKIP, 3, 1));
        resumed.load(detector.state());
        assertEquals(Optional.of(spike), resumed.judge(limit + 1e-9));
        resumed.leftOut(2, spike);
        assertThrows(QuernException.class, () -> resumed.leftOut(3, spike));
    }

    @Test
    void equalLossesDoNotMakeEveryOtherOneASpike() {
        SpikeDetector detector = new SpikeDetector(new SpikeGuard(6, 2, SpikeGuard.Action.SKIP, 3, 1));
        detector.taken(2);
        detector.taken(2);
        assertEquals(Optional.empty(), detector.judge(2.01));
        assertTrue(detector.judge(2.02).isPresent());
    }

    /** The gradient is spoilt on its way from the second block, after the loss was found finite. */
    @Test
    void aGradientThatIsNotFiniteIsNamedWithItsSegmentAndItsBatchKept() throws IOException {
        QuernException e;
        try (TrainingRun run = TrainingRun.start(TinyRuns.block(folder, "eval_steps=0"), note -> {})) {
            Map<String, float[]> before = weights(run.model());
            run.model().network().addHook(new SegmentHook() {
                @Override
                public void gradientReady(Parameter parameter) {
                    if (parameter.name().endsWith("h.1.mlp.c_fc.weight")
                            || parameter.name().endsWith("wpe.weight")) {
                        try (Scope scope = Scope.open()) {
                            Parameter p = parameter;
                            p.value()
                                    .setGrad(Tensor.full(
                                            Double.NaN,
                                            DType.FP32,
                                            Device.CPU,
                                            p.value().shape()));
                        }
                    }
                }
            });
            e = assertThrows(QuernException.class, run::train);
            assertSame(before, weights(run.model()), "after the refusal");
        }
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(
                e.getMessage()
                        .startsWith(
                                "step 1: the gradient of 'transformer.h.1.mlp.c_fc.weight' (segment 'transformer.h.1') is not finite"),
                e.getMessage());
        JsonNode line = Json.parse(Files.readString(folder.resolve("run").resolve(KeptBatches.FILE)));
        assertEquals(1, line.get("step").asInt());
        assertTrue(line.get("reason").asString().startsWith("not finite: the gradient of 'transformer.h.1"));
        assertEquals(4, line.get("rows").size());
    }
}
