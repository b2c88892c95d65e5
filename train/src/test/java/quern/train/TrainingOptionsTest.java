package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.models.LanguageModel;
import quern.models.SaveOptions;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.Parameter;

/** Each option of a training does what it says, and what must not change the weights does not. */
class TrainingOptionsTest {
    @TempDir
    Path folder;

    private static List<Double> evaluatedSteps(Path run) {
        return MetricsLog.read(run).stream()
                .filter(line -> line.containsKey("eval_loss"))
                .map(line -> line.get("step"))
                .toList();
    }

    private static List<String> checkpoints(Path run) {
        return TinyRuns.names(run).stream()
                .filter(n -> n.contains("checkpoint-"))
                .toList();
    }

    private static String weights(Path folder) {
        return TinyRuns.content(folder).get("model.safetensors");
    }

    /** At a learning rate of 0 nothing ever becomes better than the first evaluation. */
    @Test
    void earlyStoppingEndsARun() {
        String[] options = {"learning_rate=0", "eval_steps=1", "early_stopping_patience=2", "warmup_steps=0"};
        TrainingRun.Outcome outcome = TinyRuns.train(TinyRuns.block(folder, options));
        assertEquals(TrainingRun.Ending.EARLY, outcome.ending());
        assertEquals(3, outcome.steps());
        assertEquals(Optional.of(1L), outcome.bestStep());
        assertEquals(List.of(1.0, 2.0, 3.0), evaluatedSteps(outcome.folder()));
        assertEquals(weights(outcome.folder().resolve("checkpoint-3")), weights(outcome.folder()));

        TrainingRun.Outcome again = TinyRuns.resume(outcome.folder());
        assertEquals(TrainingRun.Ending.EARLY, again.ending());
        assertEquals(3, again.steps(), "it stays ended");
        TrainingRun.Outcome patient = TinyRuns.resume(outcome.folder(), "early_stopping_patience=4");
        assertEquals(TrainingRun.Ending.EARLY, patient.ending());
        assertEquals(5, patient.steps(), "two evaluations more");
    }

    @Test
    void theBestModelIsPublished() {
        // A rate so high that the loss goes up and down.
        TrainingRun.Outcome outcome = TinyRuns.train(TinyRuns.block(
                folder,
                "learning_rate=0.3",
                "warmup_steps=0",
                "eval_steps=1",
                "save_steps=5",
                "save_total_limit=1",
                "load_best_model_at_end=true"));
        long best = MetricsLog.read(outcome.folder()).stream()
                .filter(line -> line.containsKey("eval_loss"))
                .min(Comparator.comparing(line -> line.get("eval_loss")))
                .orElseThrow()
                .get("step")
                .longValue();
        assertEquals(Optional.of(best), outcome.bestStep());
        assertNotEquals(12, best, "the last step would be published anyway");
        Path run = outcome.folder();
        assertEquals(
                List.of("checkpoint-12", "checkpoint-" + best).stream().sorted().toList(), checkpoints(run));
        assertEquals(weights(run.resolve("checkpoint-" + best)), weights(run));
        assertNotEquals(weights(run.resolve("checkpoint-12")), weights(run));
    }

    /** Patience counts over a resume, and the model of the run is the best one, not the last. */
    @Test
    void earlyStoppingLeavesTheBestModel() {
        String[] options = {
            "learning_rate=0.3",
            "lr_scheduler_type=constant",
            "warmup_steps=0",
            "max_steps=60",
            "eval_steps=1",
            "save_steps=7",
            "save_total_limit=1",
            "early_stopping_patience=3",
            "load_best_model_at_end=true"
        };
        TrainingRun.Outcome outcome = TinyRuns.train(TinyRuns.block(folder, options));
        assertEquals(TrainingRun.Ending.EARLY, outcome.ending());
        long best = outcome.bestStep().orElseThrow();
        assertEquals(best + 3, outcome.steps());
        Path run = outcome.folder();
        assertEquals(weights(run.resolve("checkpoint-" + best)), weights(run));
        assertNotEquals(weights(run.resolve("checkpoint-" + outcome.steps())), weights(run));

        Path part =
                TinyRuns.trainUntil(TinyRuns.block(folder, options), best + 2).folder();
        TrainingRun.Outcome resumed = TinyRuns.resume(part);
        assertEquals(TrainingRun.Ending.EARLY, resumed.ending());
        assertEquals(outcome.steps(), resumed.steps());
        assertEquals(weights(run), weights(part));
    }

    @Test
    void aBestStepThatWasNotSavedIsNotPromised() {
        Path run =
                TinyRuns.trainUntil(TinyRuns.block(folder, "eval_steps=3"), 5).folder();
        QuernException e =
                assertThrows(QuernException.class, () -> TinyRuns.resume(run, "load_best_model_at_end=true"));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("best step so far, 3, was not saved"), e.getMessage());
        assertEquals(12, TinyRuns.resume(run).steps());
    }

    @Test
    void whatOnlyWatchesChangesNoWeight() {
        Path plain = TinyRuns.train(TinyRuns.block(
                        folder, "eval_steps=0", "save_steps=0", "tensorboard=false", "data.validation_share=0.1"))
                .folder();
        assertEquals(List.of("checkpoint-12"), checkpoints(plain));
        assertEquals(List.of(12.0), evaluatedSteps(plain), "one at the end");
        assertFalse(TinyRuns.names(plain).contains("tensorboard"));
        Path watched = TinyRuns.train(TinyRuns.block(
                        folder,
                        "eval_steps=1",
                        "save_steps=1",
                        "save_async=false",
                        "save_total_limit=0",
                        "sample_steps=2",
                        "sample_max_new_tokens=3",
                        "gradient_checkpointing=true"))
                .folder();
        assertEquals(12, checkpoints(watched).size());
        assertEquals(weights(plain), weights(watched));
        Path beside = TinyRuns.train(TinyRuns.block(folder, "save_steps=1", "save_total_limit=0", "eval_steps=1"))
                .folder();
        for (String checkpoint : checkpoints(watched)) {
            Map<String, String> one = TinyRuns.content(watched.resolve(checkpoint));
            Map<String, String> other = TinyRuns.content(beside.resolve(checkpoint));
            assertEquals(one.keySet(), other.keySet());
            for (String file : one.keySet()) {
                // The card bears the run's name, and the manifest the card's checksum.
                if (!file.equals("README.md") && !file.equals(Manifest.FILE)) {
                    assertTrue(one.get(file).equals(other.get(file)), checkpoint + "/" + file);
                }
            }
        }
    }

    @Test
    void evaluationsFollowSavesUnlessToldOtherwise() {
        Path run = TinyRuns.train(TinyRuns.block(folder, "eval_steps=null", "save_steps=5"))
                .folder();
        assertEquals(List.of(5.0, 10.0, 12.0), evaluatedSteps(run));
        TrainingRun.Outcome none = TinyRuns.train(TinyRuns.block(folder, "data.validation_share=0"));
        assertEquals(List.of(), evaluatedSteps(none.folder()));
        assertEquals(Map.of(), none.evaluation());
        assertEquals(Optional.empty(), none.bestStep());
    }

    @Test
    void epochsAreCountedInBatches() {
        List<TrainingProgress> seen = new ArrayList<>();
        long[] batches = new long[1];
        try (TrainingRun run = TrainingRun.start(
                TinyRuns.block(
                        folder,
                        "max_steps=0",
                        "num_train_epochs=0.25",
                        "gradient_accumulation_steps=3",
                        "per_device_train_batch_size=2"),
                note -> {})) {
            batches[0] = run.preparation().batches().batchesPerEpoch();
            run.addHook(new TrainingHook() {
                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    seen.add(progress);
                }
            });
            run.train();
        }
        long steps = (long) Math.ceil(0.25 * batches[0] / 3);
        assertEquals(steps, seen.size());
        assertEquals(3.0 * steps / batches[0], seen.getLast().epoch());
        // Three micro-batches of two rows of 16 tokens.
        assertEquals(96 * steps, seen.getLast().tokens());
    }

    @Test
    void aWarmUpThatOutlastsTheTrainingIsNamedWithItsPlace() {
        QuernException e = assertThrows(
                QuernException.class,
                () -> Preparation.of(TinyRuns.block(folder, "max_steps=3", "warmup_steps=4"), note -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertEquals(
                "command line: warmup_steps=4: warmup_steps: found 4, longer than the training of 3 steps; lower it or raise max_steps",
                e.getMessage());
    }

    /** The first update at a rate of 1e30 leaves weights that overflow in the next forward pass. */
    @Test
    void aLossThatIsNotFiniteStopsTheRun() {
        String[] wild = {"learning_rate=1e30", "warmup_steps=0", "eval_steps=0", "save_steps=0"};
        QuernException e = assertThrows(QuernException.class, () -> TinyRuns.train(TinyRuns.block(folder, wild)));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().startsWith("step 2: the loss is NaN (first in segment '"), e.getMessage());
        assertEquals(List.of(), checkpoints(folder.resolve("run")));
    }

    @Test
    void weightsThatAreNotFiniteAreNotSaved() {
        String[] wild = {"learning_rate=1e39", "warmup_steps=0", "eval_steps=0", "save_steps=1"};
        QuernException e = assertThrows(QuernException.class, () -> TinyRuns.train(TinyRuns.block(folder, wild)));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().startsWith("step 1: the update left '"), e.getMessage());
        assertEquals(List.of(), checkpoints(folder.resolve("run")));
    }

    /** A weight that overflows in the first pass: nothing is updated, and the checkpoint that was there stands. */
    @Test
    void aPoisonedWeightIsFoundBeforeAnUpdate() {
        Path base = TinyRuns.train(TinyRuns.block(folder, "max_steps=2")).folder();
        Path poisoned = folder.resolve("poisoned");
        Preparation p = Preparation.of(TinyRuns.block(folder), note -> {});
        try (LanguageModel model = LanguageModel.load(base, p.dtype(), p.device());
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter parameter : model.parameters()) {
                if (parameter.name().contains("h.1.mlp")) {
                    parameter.value().fill_(3e38);
                }
            }
            model.save(poisoned, SaveOptions.DEFAULT);
            p.tokenizer().save(poisoned);
        }
        QuernException e = assertThrows(
                QuernException.class,
                () -> TinyRuns.train(quern.recipe.RecipeFile.load(
                        "tiny.yaml",
                        TinyRuns.recipe(folder)
                                .replaceFirst("model: .*", "model: {path: %s}".formatted(poisoned))
                                .replace("tokenizer: char\n", ""),
                        List.of())));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().matches("step 1: .*segment '[^']*1[^']*'.*no weight was changed.*"), e.getMessage());
        assertEquals(List.of(), checkpoints(folder.resolve("run-2")));
    }
}
