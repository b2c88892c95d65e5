package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.optim.Schedule;
import quern.recipe.Recipe;
import quern.tensor.Device;
import quern.tensor.TensorException;

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

    /** Measures the model on the validation text. */
    interface Evaluation {
        /**
         * Measures it now.
         *
         * @param batchesDone hears how far it is
         * @return the metrics; none where the loss is beyond the range of the precision, which training may be over with
         */
        Map<String, Double> measure(LongConsumer batchesDone);

        long batches();
    }

    /**
     * What the loop works on.
     *
     * @param prefetch makes them ahead of their step
     * @param stepBatches which batches a step reads
     * @param safeguards what the step looks at, whose numbers checkpoints hold
     * @param order the order of the rows, where it is another than that of the data
     * @param rowLosses the losses of the last step's rows, where the order learns from them
     * @param microBatch how many rows go through the model at once, where memory decides
     * @param rewind brings weights and optimizer back to those of a step's checkpoint; empty where a spike is only left out
     * @param save begins a checkpoint of the weights, the optimizer's state and the given numbers
     * @param sampler writes a text with the present weights, from the step's number
     */
    record Parts(
            Recipe recipe,
            long maxSteps,
            TrainingStep step,
            BatchSource batches,
            BatchPrefetch prefetch,
            StepBatches stepBatches,
            Safeguards safeguards,
            Optional<DataOrder> order,
            Optional<RowLosses> rowLosses,
            Optional<MicroBatchSize> microBatch,
            Optional<LongFunction<TrainerState>> rewind,
            Schedule schedule,
            Checkpoints checkpoints,
            Consumer<TrainerState> save,
            Optional<Evaluation> evaluation,
            Optional<LongFunction<String>> sampler,
            List<TrainingHook> hooks) {}

    private final Parts parts;
    private final Recipe recipe;
    private final TrainerState state;
    private final List<Resumable> resumables;
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
        this.resumables = new ArrayList<>(parts.safeguards().resumable());
        parts.microBatch().ifPresent(resumables::add);
        parts.order().filter(o -> o.batches().learns()).ifPresent(resumables::add);
        parts.step().uncertainty().ifPresent(resumables::add);
        resumables.forEach(r -> r.load(state.hooks.getOrDefault(r.name(), Map.of())));
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
        findMicroBatch();
        while (state.step < parts.maxSteps() && !early && !stopRequested) {
            StepResult result = take();
            parts.order()
                    .ifPresent(o -> o.observe(
                            state.step, parts.rowLosses().map(RowLosses::rows).orElse(List.of())));
            state.step++;
            boolean last = state.step == parts.maxSteps();
            state.finished = last;
            count(result);
            parts.hooks().forEach(h -> h.onStep(progress(), result));
            result.note().ifPresent(this::note);
            if (result.update() == StepResult.Update.SPIKED) {
                rewind();
            }
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
            if (parts.rewind().isPresent() && due(recipe.saveSteps())) {
                state.rewindStep = state.step;
            }
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
        parts.hooks().forEach(TrainingHook::flush);
        return stopped ? Ending.STOPPED : early ? Ending.EARLY : Ending.DONE;
    }

    private boolean due(int every) {
        return every > 0 && state.step % every == 0;
    }

    /** The batches of a step as they go through the model. */
    private List<Batch> microBatches(long step) {
        List<Batch> made = parts.prefetch().of(step);
        List<Batch> all = parts.microBatch().map(m -> m.divide(made)).orElse(made);
        return parts.safeguards().noise().map(n -> n.divided(step, all)).orElse(all);
    }

    private void findMicroBatch() {
        if (parts.microBatch().isEmpty() || parts.microBatch().get().rows() > 0) {
            return;
        }
        MicroBatchSize size = parts.microBatch().get();
        int whole = recipe.perDeviceTrainBatchSize() * recipe.gradientAccumulationSteps();
        List<Batch> batches = new ArrayList<>();
        for (int i = 0; i < recipe.gradientAccumulationSteps(); i++) {
            batches.add(parts.batches().batch(i));
        }
        size.find(parts.step(), batches, whole, Device.parse(recipe.device()), ProcessMemory::available);
        note("auto_find_batch_size: %d of the %d sequences of a step go through the model at once"
                .formatted(size.rows(), whole));
    }

    /** Takes the next step, with smaller micro-batches where memory runs out and may decide. */
    private StepResult take() {
        double rate = parts.schedule().rate((int) state.step);
        while (true) {
            try {
                return parts.step().take(state.step, microBatches(state.step), rate);
            } catch (TensorException e) {
                parts.step().dropGradients();
                if (!MicroBatchSize.isOutOfMemory(e)
                        || parts.microBatch().isEmpty()
                        || !parts.microBatch().get().halve()) {
                    throw e;
                }
                note("step %d: out of memory; from now on %d sequences go through the model at once"
                        .formatted(state.step + 1, parts.microBatch().get().rows()));
            }
        }
    }

    private void count(StepResult result) {
        state.tokens += result.tokens();
        if (result.update() == StepResult.Update.TAKEN) {
            state.lossSum += result.loss();
            state.lossSteps++;
        } else {
            state.skipped++;
        }
        tokensSinceLog += result.tokens();
        secondsSinceLog += result.seconds();
    }

    /**
     * Goes back to the last regular checkpoint's weights after a spike, where the recipe asks for it. The step goes on: data
     * and schedule are those of a run without the spike, and the data since the checkpoint is not seen again.
     */
    private void rewind() {
        if (parts.rewind().isEmpty()) {
            return;
        }
        if (state.rewindStep < 0) {
            note("step %d: there is no checkpoint to rewind to yet; the batch is left out".formatted(state.step));
            return;
        }
        announceSaved(parts.checkpoints().await());
        TrainerState then = parts.rewind().get().apply(state.rewindStep);
        parts.safeguards().spikes().ifPresent(s -> s.rewind(then.hooks.getOrDefault(s.name(), Map.of())));
        state.rewinds++;
        note("step %d: weights and optimizer are those of step %d again".formatted(state.step, state.rewindStep));
    }

    private void note(String text) {
        parts.hooks().forEach(h -> h.onNote(progress(), text));
    }

    private void log(StepResult last) {
        Map<String, Double> m = new LinkedHashMap<>();
        if (state.lossSteps > 0) {
            m.put("loss", state.lossSum / state.lossSteps);
        }
        if (Double.isFinite(last.gradientNorm())) {
            m.put("grad_norm", last.gradientNorm());
        }
        m.put("learning_rate", last.learningRate());
        m.put("epoch", progress().epoch());
        m.put(MetricsLog.TOKENS, (double) state.tokens);
        m.put("tokens_per_sec", tokensSinceLog / secondsSinceLog);
        Safeguards safeguards = parts.safeguards();
        safeguards.scaler().ifPresent(scaler -> m.put("loss_scale", scaler.scale()));
        safeguards
                .segments()
                .ifPresent(p -> m.put("bf16_segments", (double) p.converted().size()));
        if (safeguards.scaler().isPresent() || safeguards.spikes().isPresent()) {
            m.put("skipped_steps", (double) state.skipped);
        }
        parts.rewind().ifPresent(r -> m.put("rewinds", (double) state.rewinds));
        safeguards.noise().ifPresent(n -> n.scale().ifPresent(scale -> m.put(n.name(), scale)));
        recipe.batchSizeWarmup().ifPresent(w -> m.put("train_batch_size", (double) last.sequences()));
        if (recipe.loggingSteps() == 0 || state.step <= recipe.loggingSteps()) {
            // They stay as they are, so the first line is enough.
            parts.batches().tooLong().ifPresent(t -> m.putAll(t.metrics()));
        }
        m.putAll(last.reports());
        parts.order().ifPresent(o -> m.putAll(o.report(state.step)));
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
        Map<String, Double> m = new LinkedHashMap<>(evaluation.measure(
                done -> parts.hooks().forEach(h -> h.onEvaluationProgress(progress(), done, evaluation.batches()))));
        if (m.isEmpty()) {
            note(
                    "step %d: the validation loss is not finite, beyond the range of fp16; it does not count, and training goes on"
                            .formatted(state.step));
            return wantsStop();
        }
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
        resumables.forEach(r -> state.hooks.put(r.name(), r.state()));
        parts.step().requireFiniteWeights(state.step);
        parts.hooks().forEach(TrainingHook::flush);
        // The copies of the save before are written over from here on.
        announceSaved(parts.checkpoints().await());
        parts.save().accept(state);
        announceSaved(parts.checkpoints().completed());
        lastSaved = state.step;
        bestUnsaved = false;
    }

    private void announceSaved(Optional<Path> checkpoint) {
        checkpoint.ifPresent(c -> parts.hooks().forEach(h -> h.onSaved(progress(), c)));
    }

    private TrainingProgress progress() {
        double epoch =
                (double) parts.stepBatches().first(state.step) / parts.batches().batchesPerEpoch();
        return new TrainingProgress(state.step, parts.maxSteps(), epoch, state.tokens);
    }
}
