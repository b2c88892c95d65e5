package quern.train;

import java.util.Arrays;

/** The median. */
public final class Median {
    private Median() {}

    /** The middle value, or the mean of the middle two; there must be one. */
    public static double of(double... values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }
}
