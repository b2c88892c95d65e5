package quern.testkit;

import java.util.List;

/** The slope of a straight line through samples, by least squares. */
public final class Slope {
    private Slope() {}

    /**
     * Change of y per unit of x.
     *
     * @throws IllegalArgumentException if the lengths differ, or fewer than two values of x are distinct
     */
    public static double of(double[] x, double[] y) {
        if (x.length != y.length) {
            throw new IllegalArgumentException(x.length + " values of x but " + y.length + " of y");
        }
        double meanX = mean(x);
        double meanY = mean(y);
        double covariance = 0;
        double variance = 0;
        for (int i = 0; i < x.length; i++) {
            covariance += (x[i] - meanX) * (y[i] - meanY);
            variance += (x[i] - meanX) * (x[i] - meanX);
        }
        if (!(variance > 0)) {
            throw new IllegalArgumentException("a slope needs at least two distinct values of x");
        }
        return covariance / variance;
    }

    /** Change per sample of evenly spaced samples. */
    public static double perSample(List<? extends Number> samples) {
        double[] x = new double[samples.size()];
        double[] y = new double[samples.size()];
        for (int i = 0; i < x.length; i++) {
            x[i] = i;
            y[i] = samples.get(i).doubleValue();
        }
        return of(x, y);
    }

    private static double mean(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += value;
        }
        return sum / values.length;
    }
}
