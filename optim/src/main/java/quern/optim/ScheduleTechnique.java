package quern.optim;

import quern.recipe.Technique;

/** How the learning rate changes while training: what a recipe chooses with {@code lr_scheduler_type}. */
public interface ScheduleTechnique extends Technique {
    /** The kind of every schedule. */
    String KIND = "lr_scheduler_type";

    @Override
    default String kind() {
        return KIND;
    }

    /** Whether the schedules are {@link MetricSchedule}s: a run without evaluations can't use them. */
    default boolean followsMetric() {
        return false;
    }

    /**
     * The schedule of one run; a {@link MetricSchedule} where {@link #followsMetric()} says so.
     *
     * @param learningRate the peak rate, {@code learning_rate}
     * @param warmupSteps steps of linear warm-up from 0, see {@link Schedule#warmupSteps}
     * @param maxSteps the steps of the whole run, warm-up included
     * @param kwargs the technique's {@link #config()} record, bound from {@code lr_scheduler_kwargs}
     */
    Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs);
}
