package quern.train;

import java.nio.file.Path;
import java.util.Map;

/**
 * What happens around training without being training: logs, samples, early stopping, a progress bar. Hooks are called
 * on the training thread in the order they were added. A hook with a state gives it to every checkpoint and gets it back
 * on resume.
 */
public interface TrainingHook {
    /** The key of this hook's state in a checkpoint. */
    default String name() {
        return getClass().getSimpleName();
    }

    /** Training begins or is resumed. */
    default void onBegin(TrainingProgress progress) {}

    /** An optimizer step was taken. */
    default void onStep(TrainingProgress progress, StepResult result) {}

    /** Metrics by Hugging Face's names, from training or, with the prefix {@code eval_}, from evaluation. */
    default void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {}

    /** The validation text is being read: batches done and to do. */
    default void onEvaluationProgress(TrainingProgress progress, long done, long total) {}

    /** The model wrote something. */
    default void onSample(TrainingProgress progress, String prompt, String text) {}

    /** A checkpoint is durable. Called on the training thread, some steps later when saving is asynchronous. */
    default void onSaved(TrainingProgress progress, Path checkpoint) {}

    /** A remark for the person who watches. */
    default void onNote(TrainingProgress progress, String note) {}

    /** Training ended: done, stopped early, or stopped by a signal. */
    default void onEnd(TrainingProgress progress) {}

    /**
     * Makes durable against a kill of the process what was said so far. Called before a checkpoint is taken, which must never
     * be ahead of the lines that tell of it, and when training ends, also by a failure.
     */
    default void flush() {}

    /** Whether training should end now; asked after each evaluation. */
    default boolean wantsStop() {
        return false;
    }

    /** What a checkpoint must hold so that this hook goes on where it was. */
    default Map<String, Double> state() {
        return Map.of();
    }

    /** Takes back a {@link #state()}. */
    default void load(Map<String, Double> state) {}
}
