package quern.evaluate.plot;

import java.util.Objects;

/**
 * A named curve of a plot.
 *
 * @param name what the legend calls it
 * @param x abscissae, such as steps; any order
 * @param y ordinates, as many as {@code x}; points that are not finite are left out of a plot
 * @param style how it is drawn
 */
public record Series(String name, double[] x, double[] y, Style style) {
    /** How a curve is drawn. */
    public enum Style {
        /** A joined line. */
        LINE,
        /** Each point marked and joined: few measurements, such as validation losses. */
        POINTS,
        /** A thin line in the colour of the other curves of its name, without a place in the legend. */
        FAINT
    }

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
        return new Series(name, x, y, Style.LINE);
    }

    /** Marked points. */
    public static Series points(String name, double[] x, double[] y) {
        return new Series(name, x, y, Style.POINTS);
    }

    /** A thin line beside the other curves of its name. */
    public static Series faint(String name, double[] x, double[] y) {
        return new Series(name, x, y, Style.FAINT);
    }

    /** Whether each point is marked. */
    public boolean points() {
        return style == Style.POINTS;
    }

    /** Whether both coordinates of point {@code i} are finite. */
    public boolean isFinite(int i) {
        return Double.isFinite(x[i]) && Double.isFinite(y[i]);
    }
}
