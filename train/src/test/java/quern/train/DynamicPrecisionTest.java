package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.models.LanguageModel;
import quern.models.SaveOptions;
import quern.optim.Optimizer;
import quern.recipe.Block;
import quern.recipe.DynamicPrecision;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Parameter;

/** {@code precision: dynamic} on a model one of whose blocks can't be computed in fp16. */
class DynamicPrecisionTest {
    private static final String SEGMENT = "model.layers.1";

    /**
     * Inner values of the second block's feed-forward are this much larger, and its last matrix takes it out again: the
     * function is the same, but what is between does not fit into fp16.
     */
    private static final double LARGER = 1e4;

    /** Overflows within ten steps that let a segment change. */
    private static final int OVERFLOWS = 3;

    /** bf16 has 8 significant bits, so a rounding is up to 2^-9; a forward pass adds up some of them. */
    private static final double CLOSE = 0.02;

    @TempDir
    Path folder;

    private String scaledModel() {
        Path scaled = folder.resolve("scaled");
        Preparation p = Preparation.of(TinyRuns.blockOf(TinyRuns.LLAMA, folder), note -> {});
        try (LanguageModel model = p.model();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter parameter : model.parameters()) {
                if (parameter.name().startsWith(SEGMENT + ".mlp")) {
                    boolean last = parameter.name().contains("down_proj");
                    parameter.value().mul_(last ? 1 / (LARGER * LARGER) : LARGER);
                }
            }
            model.save(scaled, SaveOptions.DEFAULT);
            p.tokenizer().save(scaled);
        }
        return scaled.toString();
    }

    private Block recipe(String model, String name, String... overrides) {
        List<String> all = new ArrayList<>(List.of(overrides));
        if (all.stream().noneMatch(o -> o.startsWith("precision="))) {
            all.add("precision=dynamic");
            all.add("dynamic_precision={overflows: %d, window: 10}".formatted(OVERFLOWS));
        }
        // Adam moves every weight by about the rate, and the scaled matrix has weights of 1e-10.
        all.add("learning_rate=1e-12");
        all.add("output_dir=" + folder.resolve(name));
        String text = TinyRuns.recipe(folder)
                .replaceFirst("model: .*", "model: {path: %s}".formatted(model))
                .replace("tokenizer: char\n", "");
        return RecipeFile.load("tiny.yaml", text, all);
    }

    @Test
    void aSegmentThatOverflowsChangesToBf16AndTrainingGoesOn() {
        List<StepResult> results = new ArrayList<>();
        List<String> notes = new ArrayList<>();
        Map<String, DType> dtypes = new TreeMap<>();
        try (TrainingRun run =
                TrainingRun.start(recipe(scaledModel(), "run", "sample_steps=6", "sample_max_new_tokens=4"), n -> {})) {
            run.addHook(new TrainingHook() {
                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    results.add(result);
                }

                @Override
                public void onNote(TrainingProgress progress, String note) {
                    notes.add(note);
                }
            });
            run.train();
            run.model().parameters().forEach(p -> dtypes.put(p.name(), p.value().dtype()));
        }
        for (int i = 0; i < OVERFLOWS; i++) {
            assertEquals(StepResult.Update.OVERFLOWED, results.get(i).update(), notes::toString);
            assertTrue(results.get(i).note().orElseThrow().contains("segment '" + SEGMENT + "'"), notes::toString);
        }
        assertTrue(notes.get(OVERFLOWS - 1).endsWith("from now on in bf16: " + SEGMENT), notes::toString);
        for (int i = OVERFLOWS; i < results.size(); i++) {
            assertEquals(StepResult.Update.TAKEN, results.get(i).update(), notes::toString);
        }
        dtypes.forEach(
                (name, dtype) -> assertEquals(name.startsWith(SEGMENT + ".") ? DType.BF16 : DType.FP16, dtype, name));
        Map<String, Double> last = TinyRuns.metrics(folder.resolve("run")).stream()
                .filter(m -> m.containsKey("bf16_segments"))
                .reduce((a, b) -> b)
                .orElseThrow();
        assertEquals(1, last.get("bf16_segments"));
        List<Double> whole = losses(recipe(folder.resolve("scaled").toString(), "fp32", "precision=fp32"));
        for (int i = OVERFLOWS; i < results.size(); i++) {
            assertEquals(whole.get(i), results.get(i).loss(), CLOSE * whole.get(i), "step " + (i + 1));
        }
    }

    private static List<Double> losses(Block recipe) {
        List<Double> losses = new ArrayList<>();
        TinyRuns.train(recipe, new TrainingHook() {
            @Override
            public void onStep(TrainingProgress progress, StepResult result) {
                losses.add(result.loss());
            }
        });
        return losses;
    }

    /** Evaluations before the segment changes don't count, and don't end what training is about to mend. */
    @Test
    void anEvaluationBeyondFp16sRangeDoesNotCount() {
        List<String> notes = new ArrayList<>();
        TrainingRun.Outcome outcome = TinyRuns.train(
                recipe(scaledModel(), "run", "eval_steps=1", "early_stopping_patience=2", "early_stopping_threshold=1"),
                new TrainingHook() {
                    @Override
                    public void onNote(TrainingProgress progress, String note) {
                        notes.add(note);
                    }
                });
        List<Double> evaluated = TinyRuns.metrics(outcome.folder()).stream()
                .filter(m -> m.containsKey("eval_loss"))
                .map(m -> m.get("step"))
                .toList();
        // The change is at the third step; the patience ends two evaluations after the first that counts.
        assertEquals(List.of(3.0, 4.0, 5.0), evaluated);
        assertEquals(
                2,
                notes.stream()
                        .filter(n -> n.contains("the validation loss is not finite"))
                        .count(),
                notes::toString);
        assertTrue(Double.isFinite(outcome.evaluation().get("eval_loss")));
    }

    @Test
    void aLastEvaluationBeyondFp16sRangeIsRefusedWithWhatHelps() {
        Block recipe = recipe(scaledModel(), "run", "precision=fp16", "eval_steps=1", "save_steps=2", "max_steps=4");
        QuernException e = assertThrows(QuernException.class, () -> TinyRuns.train(recipe));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().startsWith("step 4: the validation loss of the trained model is"), e.getMessage());
        assertTrue(e.getMessage().endsWith("train with precision: bf16, dynamic or fp32"), e.getMessage());
        TrainingRun.Outcome wider = TinyRuns.train(
                recipe(folder.resolve("scaled").toString(), "wider", "precision=bf16", "eval_steps=1", "max_steps=4"));
        assertTrue(Double.isFinite(wider.evaluation().get("eval_loss")));
    }

    /** Stopped while overflows are being counted, and after the change. */
    @Test
    void resumesBitForBit() {
        String model = scaledModel();
        Path whole = TinyRuns.train(recipe(model, "whole")).folder();
        for (long stop : new long[] {2, 5}) {
            Path part = TinyRuns.trainUntil(recipe(model, "part" + stop), stop).folder();
            TinyRuns.resume(part);
            assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(part));
            for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors", Checkpoints.STATE)) {
                assertEquals(
                        TinyRuns.content(Checkpoints.folder(whole, 12)).get(file),
                        TinyRuns.content(Checkpoints.folder(part, 12)).get(file),
                        file + " after a stop at " + stop);
            }
        }
    }

    /** With checkpointing the casts at a segment's door are made again in its backward. */
    @Test
    void recomputedSegmentsGiveTheSameBits() {
        String model = scaledModel();
        Path plain = TinyRuns.train(recipe(model, "plain")).folder();
        Path recomputed = TinyRuns.train(recipe(model, "recomputed", "gradient_checkpointing=true"))
                .folder();
        assertEquals(TinyRuns.metrics(plain), TinyRuns.metrics(recomputed));
    }

    /** Where no lower scale is left the segment changes at the first overflow. */
    @Test
    void atTheFloorASegmentChangesAtOnce() {
        List<StepResult> results = new ArrayList<>();
        TinyRuns.train(
                recipe(scaledModel(), "run", "loss_scale={initial: 8, floor: 8}", "max_steps=4"), new TrainingHook() {
                    @Override
                    public void onStep(TrainingProgress progress, StepResult result) {
                        results.add(result);
                    }
                });
        assertEquals(StepResult.Update.OVERFLOWED, results.get(0).update());
        assertEquals(StepResult.Update.TAKEN, results.get(1).update());
    }

    @Test
    void oldOverflowsAreForgotten() {
        Preparation p = Preparation.of(TinyRuns.blockOf(TinyRuns.LLAMA, folder, "precision=dynamic"), note -> {});
        try (LanguageModel model = p.model();
                Optimizer optimizer = p.optimizer(model.network())) {
            SegmentPrecision precision = new SegmentPrecision(new DynamicPrecision(2, 5), model.network(), optimizer);
            assertEquals(List.of(), precision.overflowed(1, SEGMENT, false));
            assertEquals(List.of(), precision.overflowed(6, SEGMENT, false), "five steps later the first is out");
            SegmentPrecision resumed = new SegmentPrecision(new DynamicPrecision(2, 5), model.network(), optimizer);
            resumed.load(precision.state());
            assertEquals(List.of(SEGMENT), resumed.overflowed(10, SEGMENT, false));
            assertEquals(List.of(), resumed.overflowed(11, SEGMENT, false), "it has changed already");
        }
    }

    /** GPT-2's embedding is its head's weight too. */
    @Test
    void segmentsThatShareAWeightChangeTogether() {
        Preparation p = Preparation.of(TinyRuns.block(folder, "precision=dynamic"), note -> {});
        try (LanguageModel model = p.model();
                Optimizer optimizer = p.optimizer(model.network())) {
            SegmentPrecision precision = new SegmentPrecision(new DynamicPrecision(1, 5), model.network(), optimizer);
            String head = model.network().segments().getLast().name();
            List<String> changed = precision.overflowed(1, head, false);
            assertEquals(2, changed.size(), changed::toString);
            assertEquals(head, changed.getLast());
            assertEquals(changed, List.copyOf(precision.converted()));
        }
    }
}
