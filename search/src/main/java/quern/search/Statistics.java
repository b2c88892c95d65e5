package quern.search;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;
import org.hipparchus.distribution.continuous.TDistribution;

/**
 * What a few measurements say about a mean, and what pairs of them say about a difference. Intervals are of 95 % and by
 * Student's t distribution (Student, "The probable error of a mean", Biometrika 1908).
 */
public final class Statistics {
    /** The level of every interval and test. */
    public static final double ALPHA = 0.05;

    /** Sign flips up to this many pairs are all tried: 65,536 sums. */
    private static final int MOST_FLIPPED = 16;

    /** Rounding in a sum of flipped differences must not make a tie look smaller. */
    private static final double TIE = 1e-12;

    private Statistics() {}

    /**
     * A mean and how well it is known.
     *
     * @param mean of the measurements
     * @param halfWidth half the 95 % interval; empty with fewer than 2 measurements
     * @param n measurements
     */
    public record Estimate(double mean, Optional<Double> halfWidth, int n) {}

    /**
     * A difference between paired measurements.
     *
     * @param estimate the mean difference and its interval
     * @param p two-sided p-value of the paired t test; empty with fewer than 2 pairs, or when all differences are equal
     *     and not 0, of which the test can say nothing
     * @param exactP two-sided p-value of the test by all sign flips, which assumes no distribution; it can't be below
     *     {@code 2^(1-n)}. Empty with fewer than 2 pairs or more than 16
     */
    public record Difference(Estimate estimate, Optional<Double> p, Optional<Double> exactP) {}

    /** The mean of one measurement or more. */
    public static Estimate estimate(double[] values) {
        if (values.length == 0) {
            throw new IllegalArgumentException("a mean of nothing");
        }
        double mean = mean(values);
        if (values.length < 2) {
            return new Estimate(mean, Optional.empty(), values.length);
        }
        int freedom = values.length - 1;
        double quantile = new TDistribution(freedom).inverseCumulativeProbability(1 - ALPHA / 2);
        return new Estimate(mean, Optional.of(quantile * standardError(values, mean)), values.length);
    }

    /** The mean of {@code values[i] - baseline[i]}, and whether it is 0. */
    public static Difference paired(double[] values, double[] baseline) {
        if (values.length != baseline.length) {
            throw new IllegalArgumentException(values.length + " values for " + baseline.length + " of the baseline");
        }
        double[] differences = IntStream.range(0, values.length)
                .mapToDouble(i -> values[i] - baseline[i])
                .toArray();
        Estimate estimate = estimate(differences);
        return new Difference(estimate, tTest(differences, estimate.mean()), signFlips(differences));
    }

    private static Optional<Double> tTest(double[] differences, double mean) {
        if (differences.length < 2) {
            return Optional.empty();
        }
        double error = standardError(differences, mean);
        if (error == 0) {
            return mean == 0 ? Optional.of(1.0) : Optional.empty();
        }
        double t = Math.abs(mean / error);
        return Optional.of(2 * new TDistribution(differences.length - 1).cumulativeProbability(-t));
    }

    /** The share of all choices of signs whose sum is at least as far from 0 as the one observed. */
    private static Optional<Double> signFlips(double[] differences) {
        int n = differences.length;
        if (n < 2 || n > MOST_FLIPPED) {
            return Optional.empty();
        }
        double observed = Math.abs(Arrays.stream(differences).sum());
        double slack = TIE * Arrays.stream(differences).map(Math::abs).sum();
        int asFar = 0;
        for (int signs = 0; signs < 1 << n; signs++) {
            double sum = 0;
            for (int i = 0; i < n; i++) {
                sum += (signs >> i & 1) == 0 ? differences[i] : -differences[i];
            }
            if (Math.abs(sum) >= observed - slack) {
                asFar++;
            }
        }
        return Optional.of(asFar / (double) (1 << n));
    }

    /**
     * p-values corrected for there being several of them (Holm, "A simple sequentially rejective multiple test
     * procedure", 1979): each of them below {@link #ALPHA} is so with all errors together below it.
     */
    public static double[] holm(double[] p) {
        Integer[] order = IntStream.range(0, p.length).boxed().toArray(Integer[]::new);
        Arrays.sort(order, (a, b) -> Double.compare(p[a], p[b]));
        double[] corrected = new double[p.length];
        double least = 0;
        for (int rank = 0; rank < p.length; rank++) {
            least = Math.max(least, Math.min(1, p[order[rank]] * (p.length - rank)));
            corrected[order[rank]] = least;
        }
        return corrected;
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).sum() / values.length;
    }

    private static double standardError(double[] values, double mean) {
        double squares = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
        return Math.sqrt(squares / (values.length - 1) / values.length);
    }
}
