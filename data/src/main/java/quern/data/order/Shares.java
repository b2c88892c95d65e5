package quern.data.order;

import java.util.Map;

/** The shares of rows that several corpora have in each step. */
public interface Shares {
    /**
     * The shares in a step, counted from 0; they sum to 1. Of shares that learn, those by all that was observed so far.
     */
    double[] at(long step);

    /** Whether the shares depend on how the training goes. */
    default boolean learns() {
        return false;
    }

    /** Whether all corpora have as many rows in every step and the shares weigh the losses of these instead. */
    default boolean weighsLosses() {
        return false;
    }

    /**
     * What a step saw of the corpora, in their order.
     *
     * @param losses mean loss a token; NaN where a corpus had no row in the step
     * @param excess mean of what each token's loss lies above that of the reference model, 0 where below; NaN likewise,
     *     or where there is no such model
     * @param shares the shares of that step
     */
    record Seen(double[] losses, double[] excess, double[] shares) {}

    /** Learns from a step; steps come in order. */
    default void observe(long step, Seen seen) {}

    /** The shares that came of a training and that another may go by; those of the present unless it has better. */
    default double[] result() {
        return at(Long.MAX_VALUE);
    }

    /** What a checkpoint must hold. */
    default Map<String, Double> state() {
        return Map.of();
    }

    /** Takes back a {@link #state()}. */
    default void load(Map<String, Double> state) {}
}
