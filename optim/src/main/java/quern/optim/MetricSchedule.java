package quern.optim;

import java.util.Map;

/**
 * A schedule whose rate depends on what evaluations measured, so that it has a state beside the step. {@link #rate} gives
 * the rate that follows from the observations so far; nothing is observed during warm-up.
 */
public interface MetricSchedule extends Schedule {
    /** Whether the schedule takes larger values of the metric for better ones. */
    boolean higherIsBetter();

    /**
     * Takes a measurement in.
     *
     * @param step the step, counted from 0, after which it was made
     * @param metric what was measured; NaN counts as no improvement
     */
    void observe(int step, double metric);

    /** What a checkpoint must keep: finite numbers by name. */
    Map<String, Double> state();

    /** Takes over a saved {@link #state()}; names that it lacks take their first values. */
    void load(Map<String, Double> state);
}
