package quern.data.order;

import java.util.Map;

/** In which order the rows of one corpus are met. */
public interface RowOrder {
    /**
     * The row to be met.
     *
     * @param n how many rows of the corpus were met before
     * @param step the step that meets it, counted from 0
     */
    long row(long n, long step);

    /** The share of the corpus's rows that can be met in a step. */
    double share(long step);

    /** Whether the order depends on how the training goes. */
    default boolean learns() {
        return false;
    }

    /**
     * Learns from a step; steps come in order. What is learned counts from the step after the next.
     *
     * @param rows the rows of this corpus that the step met
     * @param losses the mean loss a token of each; NaN where it is unknown
     */
    default void observe(long step, long[] rows, double[] losses) {}

    /** What a checkpoint must hold before step {@code next}. */
    default Map<String, Double> state(long next) {
        return Map.of();
    }

    /** Takes back a {@link #state}. */
    default void load(long next, Map<String, Double> state) {}
}
