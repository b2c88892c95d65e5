package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.models.LanguageModel;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;

/** Trainings whose evaluated and saved weights are not those that are trained: an average, and schedule-free AdamW. */
class EvalWeightsTest {
    private static final String AVERAGE = "ema={decay: 0.9}";
    private static final String SCHEDULE_FREE = "optim=schedule_free_adamw";
    private static final String MIXED = "parameter_groups=[{pattern: mlp, optim: schedule_free_adamw}]";

    @TempDir
    Path folder;

    private static String weights(Path folder) {
        return TinyRuns.content(folder).get("model.safetensors");
    }

    /** Evaluations, samples and checkpoints fall on different steps and before and after the stops. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "fp32 " + AVERAGE,
                "bf16 " + AVERAGE,
                "fp32 " + SCHEDULE_FREE,
                "bf16 " + SCHEDULE_FREE,
                "fp32 " + MIXED,
                "bf16 optim=adamw_8bit",
                "fp32 optim=adam_mini"
            })
    void aResumedRunEqualsAnUnbrokenOne(String variant) {
        String[] overrides = {
            "precision=" + variant.substring(0, 4), variant.substring(5), "sample_steps=3", "sample_max_new_tokens=5"
        };
        Path whole = TinyRuns.train(TinyRuns.block(folder, overrides)).folder();
        Path parts = TinyRuns.trainUntil(TinyRuns.block(folder, overrides), 3).folder();
        TinyRuns.resumeUntil(parts, 5);
        TinyRuns.resume(parts);
        assertEquals(TinyRuns.metrics(whole), TinyRuns.metrics(parts));
        Map<String, String> expected = TinyRuns.content(whole.resolve("checkpoint-12"));
        Map<String, String> actual = TinyRuns.content(parts.resolve("checkpoint-12"));
        assertEquals(expected.keySet(), actual.keySet());
        for (String file : List.of("model.safetensors", "trainer/optimizer.safetensors", Checkpoints.STATE)) {
            assertTrue(expected.get(file).equals(actual.get(file)), file + " differs");
        }
        assertEquals(
                TinyRuns.content(whole).get("samples.jsonl"),
                TinyRuns.content(parts).get("samples.jsonl"));
        assertEquals(weights(whole), weights(parts));
    }

    /** Evaluating more often, in other words putting other weights in and taking them out, moves nothing. */
    @ParameterizedTest
    @ValueSource(strings = {AVERAGE, SCHEDULE_FREE})
    void evaluatingAndSavingChangesNoWeight(String variant) {
        Path seldom = TinyRuns.train(TinyRuns.block(folder, variant, "eval_steps=0", "save_steps=0"))
                .folder();
        Path often = TinyRuns.train(TinyRuns.block(folder, variant, "eval_steps=1", "save_steps=1", "sample_steps=1"))
                .folder();
        assertEquals(weights(seldom), weights(often));
    }

    @ParameterizedTest
    @ValueSource(strings = {AVERAGE, SCHEDULE_FREE, MIXED})
    void whatIsSavedIsWhatWasEvaluated(String variant) {
        for (String precision : List.of("fp32", "bf16")) {
            TrainingRun.Outcome outcome =
                    TinyRuns.train(TinyRuns.block(folder, variant, "precision=" + precision, "eval_steps=6"));
            Preparation preparation = Preparation.of(
                    TinyRuns.block(folder, "precision=" + precision, "tokenizer={path: " + outcome.folder() + "}"),
                    note -> {});
            List<Double> losses = new ArrayList<>();
            for (Path saved : List.of(outcome.folder(), outcome.folder().resolve("checkpoint-12"))) {
                try (LanguageModel model =
                        LanguageModel.load(saved, precision.equals("bf16") ? DType.BF16 : DType.FP32, Device.CPU)) {
                    losses.add(ValidationLoss.measure(
                                    model.network(),
                                    model.device(),
                                    preparation.validation().orElseThrow(),
                                    preparation.data().maxLength(),
                                    preparation.recipe().perDeviceEvalBatchSize(),
                                    done -> {})
                            .loss());
                }
            }
            double evaluated = outcome.evaluation().get("eval_loss");
            assertEquals(List.of(evaluated, evaluated), losses);
        }
    }

    /** The average leaves the training alone, and is another model. */
    @Test
    void anAverageIsSavedBesideTheTrainingsWeights() {
        Path plain = TinyRuns.train(TinyRuns.block(folder)).folder();
        Path averaged = TinyRuns.train(TinyRuns.block(folder, AVERAGE)).folder();
        assertNotEquals(weights(plain), weights(averaged));
        List<Double> plainLosses = losses(plain);
        assertEquals(12, plainLosses.size());
        assertEquals(plainLosses, losses(averaged));
    }

    /** Going back to a checkpoint brings the training's weights back, not those that were saved to be used. */
    @ParameterizedTest
    @ValueSource(strings = {"fp32", "bf16"})
    void aRewoundTrainingGoesOnWithItsOwnWeights(String precision) {
        String[] guarded = {
            "precision=" + precision,
            "spike_guard={threshold: 1.0, window: 3, action: rewind, max_consecutive: 50}",
            "max_steps=40",
            "save_steps=6"
        };
        Path plain = TinyRuns.train(TinyRuns.block(folder, guarded)).folder();
        String[] averaged = java.util.Arrays.copyOf(guarded, guarded.length + 1);
        averaged[guarded.length] = AVERAGE;
        Path run = TinyRuns.train(TinyRuns.block(folder, averaged)).folder();
        assertTrue(Checkpoints.readState(run.resolve("checkpoint-40")).rewinds > 0);
        assertEquals(losses(plain), losses(run));
        assertNotEquals(weights(plain), weights(run));
    }

    private static List<Double> losses(Path run) {
        return TinyRuns.metrics(run).stream()
                .filter(line -> line.containsKey("loss"))
                .map(line -> line.get("loss"))
                .toList();
    }

    @Test
    void anAverageOfAnAverageIsRefused() {
        QuernException e = assertThrows(
                QuernException.class, () -> TinyRuns.train(TinyRuns.block(folder, AVERAGE, SCHEDULE_FREE)));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("ema: the optimizer evaluates an average of its own"), e.getMessage());
        assertThrows(
                QuernException.class,
                () -> TinyRuns.block(folder, "ema={decay: 1}").bind(quern.recipe.Recipe.class));
    }
}
