package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.optim.Schedule;
import quern.recipe.Recipe;

/**
 * The training loop: steps, metrics, evaluations, samples, checkpoints and an orderly stop, in that order within a step.
 * Whatever else happens around a step is a {@link TrainingHook}.
 */
final class Trainer {
    /** How a training ended. */
    enum Ending {
        /** All steps were taken. */
        DONE,
        /** A hook ended it, such as early stopping. */
        EARLY,
        /** {@link #requestStop} was called; the state is saved. */
        STOPPED
    }

    /** Measures the model on the validation text; {@code batchesDone} hears how far it is. */
    interface Evaluation {
        Map<String, Double> measure(LongConsumer batchesDone);

        long batches();
    }

    /**
     * What the loop works on.
     *
     * @param snapshots copies the weights and the optimizer's state beside the given numbers
     * @param sampler writes a text with the present weights, from the step's number
     */
    record Parts(
            Recipe recipe,
            long maxSteps,
            TrainingStep step,
            BatchSource batches,
            Schedule schedule,
            Checkpoints checkpoints,
            Function<TrainerState, Snapshot> snapshots,
            Optional<Evaluation> evaluation,
            Optional<LongFunction<String>> sampler,
            List<TrainingHook> hooks) {}

    private final Parts parts;
    private final Recipe recipe;
    private final TrainerState state;
    private volatile boolean stopRequested;
    private long lastSaved;
    private boolean bestUnsaved;
    private long tokensSinceLog;
    private double secondsSinceLog;

    /** A loop that goes on from {@code state}. */
    Trainer(Parts parts, TrainerState state) {
        this.parts = parts;
        this.recipe = parts.recipe();
        this.state = state;
        this.lastSaved = state.step == 0 ? -1 : state.step;
        for (TrainingHook hook : parts.hooks()) {
            hook.load(state.hooks.getOrDefault(hook.name(), Map.of()));
        }
    }

    /** Asks the loop to save and end after the present step; safe from any thread, signal handlers included. */
    void requestStop() {
        stopRequested = true;
    }

    /** The newest step's numbers. */
    TrainerState state() {
        return state;
    }

    /** Trains to the end, or until a stop is asked for. The last state is durable when this returns. */
    Ending run() {
        parts.hooks().forEach(h -> h.onBegin(progress()));
        // A run that early stopping ended has nothing left to do, unless it was resumed with more patience.
        boolean early = state.finished && state.step < parts.maxSteps() && wantsStop();
        while (state.step < parts.maxSteps() && !early && !stopRequested) {
            StepResult result = parts.step().take(state.step, batches(state.step), parts.schedule().rate((int) state.step));
            state.step++;
            boolean last = state.step == parts.maxSteps();
            state.finished = last;
            state.tokens += result.tokens();
            state.lossSum += result.loss();
            state.lossSteps++;
            tokensSinceLog += result.tokens();
            secondsSinceLog += result.seconds();
            parts.hooks().forEach(h -> h.onStep(progress(), result));
            announceSaved(parts.checkpoints().completed());
            if (due(recipe.loggingSteps()) || last) {
                log(result);
            }
            if (due(recipe.evaluationSteps()) || last) {
                early = evaluate() && !last;
            }
            if (due(recipe.sampleSteps())) {
                sample();
            }
            state.finished |= early;
            if (due(recipe.saveSteps()) || state.finished || bestUnsaved) {
                save();
            }
        }
        boolean stopped = !early && state.step < parts.maxSteps();
        if (lastSaved != state.step) {
            save();
        }
        announceSaved(parts.checkpoints().await());
        parts.hooks().forEach(h -> h.onEnd(progress()));
        return stopped ? Ending.STOPPED : early ? Ending.EARLY : Ending.DONE;
    }

    private boolean due(int every) {
        return every > 0 && state.step % every == 0;
    }

    private List<Batch> batches(long step) {
        List<Batch> all = new ArrayList<>();
        for (int i = 0; i < recipe.gradientAccumulationSteps(); i++) {
            all.add(parts.batches().batch(step * recipe.gradientAccumulationSteps() + i));
        }
        return all;
    }

    private void log(StepResult last) {
        Map<String, Double> m = new LinkedHashMap<>();
        m.put("loss", state.lossSum / state.lossSteps);
        m.put("grad_norm", last.gradientNorm());
        m.put("learning_rate", last.learningRate());
        m.put("epoch", progress().epoch());
        m.put("num_input_tokens_seen", (double) state.tokens);
        m.put("tokens_per_sec", tokensSinceLog / secondsSinceLog);
        state.lossSum = 0;
        state.lossSteps = 0;
        tokensSinceLog = 0;
        secondsSinceLog = 0;
        parts.hooks().forEach(h -> h.onMetrics(progress(), m));
    }

    /** Whether a hook wants to end the training. */
    private boolean evaluate() {
        if (parts.evaluation().isEmpty()) {
            return false;
        }
        Evaluation evaluation = parts.evaluation().get();
        Map<String, Double> m = new LinkedHashMap<>(evaluation.measure(done -> parts.hooks()
                .forEach(h -> h.onEvaluationProgress(progress(), done, evaluation.batches()))));
        m.put("epoch", progress().epoch());
        parts.hooks().forEach(h -> h.onMetrics(progress(), m));
        Double watched = m.get(recipe.metricForBestModel());
        if (watched != null && isBetter(watched)) {
            state.bestMetric = watched;
            state.bestStep = state.step;
            // The best weights are only there to come back to when this step is saved.
            bestUnsaved = recipe.loadBestModelAtEnd();
        }
        return wantsStop();
    }

    private boolean wantsStop() {
        return parts.hooks().stream().anyMatch(TrainingHook::wantsStop);
    }

    private boolean isBetter(double value) {
        return Double.isNaN(state.bestMetric)
                || (EarlyStopping.lowerIsBetter(recipe.metricForBestModel())
                        ? value < state.bestMetric
                        : value > state.bestMetric);
    }

    private void sample() {
        parts.sampler().ifPresent(s -> {
            String text = s.apply(state.step);
            parts.hooks().forEach(h -> h.onSample(progress(), recipe.samplePrompt(), text));
        });
    }

    private void save() {
        for (TrainingHook hook : parts.hooks()) {
            Map<String, Double> hookState = hook.state();
            if (!hookState.isEmpty()) {
                state.hooks.put(hook.name(), hookState);
            }
        }
        parts.step().requireFiniteWeights(state.step);
        announceSaved(parts.checkpoints().await());
        parts.checkpoints().save(parts.snapshots().apply(state));
        lastSaved = state.step;
        bestUnsaved = false;
    }

    private void announceSaved(Optional<Path> checkpoint) {
        checkpoint.ifPresent(c -> parts.hooks().forEach(h -> h.onSaved(progress(), c)));
    }

    private TrainingProgress progress() {
        double epoch = (double) state.step
                * recipe.gradientAccumulationSteps()
                / parts.batches().batchesPerEpoch();
        return new TrainingProgress(state.step, parts.maxSteps(), epoch, state.tokens);
    }
}
