package quern.cli;

import java.util.Objects;

/**
 * A named curve for {@link TextPlot} and {@link LossCurvePng}.
 *
 * @param name what the legend calls it
 * @param x abscissae, such as steps; any order
 * @param y ordinates, as many as {@code x}; points that are not finite are left out of a plot
 * @param points true to mark each point (few measurements, such as validation losses), false for a joined line
 */
public record Series(String name, double[] x, double[] y, boolean points) {
    /** Checks that the lengths agree; the arrays are not copied. */
    public Series {
        Objects.requireNonNull(name);
        if (x.length != y.length) {
            throw new IllegalArgumentException(
                    "series '" + name + "' has " + x.length + " abscissae and " + y.length + " ordinates");
        }
    }

    /** A joined line. */
    public static Series line(String name, double[] x, double[] y) {
        return new Series(name, x, y, false);
    }

    /** Marked points. */
    public static Series points(String name, double[] x, double[] y) {
        return new Series(name, x, y, true);
    }

    boolean isFinite(int i) {
        return Double.isFinite(x[i]) && Double.isFinite(y[i]);
    }
}
