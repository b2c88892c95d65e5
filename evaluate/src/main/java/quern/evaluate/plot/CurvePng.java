package quern.evaluate.plot;

import java.awt.BasicStroke;
import java.awt.Color;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.XYStyler;
import org.knowm.xchart.style.markers.SeriesMarkers;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * Curves as a PNG picture of 1000 x 600 pixels, drawn without a display. Curves of one name share a colour.
 *
 * @param title the heading
 * @param xName what the horizontal axis counts
 * @param yName what the vertical axis shows
 * @param xLabels what the abscissae 0, 1, 2… are called; empty where they are numbers
 * @param yMax the top of the vertical axis; curves go out of the picture there. Without it all of them is shown
 */
public record CurvePng(String title, String xName, String yName, List<String> xLabels, OptionalDouble yMax) {
    private static final int WIDTH = 1000;
    private static final int HEIGHT = 600;
    /** A longer legend would hide the curves. */
    private static final int MOST_INSIDE = 4;

    private static final double TICK = 1e-6;
    private static final float FAINT_WIDTH = 0.8f;
    private static final int FAINT_ALPHA = 110;

    /** The colours of a picture's ground, writing and curves. */
    public enum Theme {
        /** For a light page. */
        LIGHT(Color.WHITE, new Color(0x202124), new Color(0xd0d0d0), new int[] {
            0x1f77b4, 0xd95f02, 0x7b3294, 0x1b9e77, 0xc2185b, 0x8c6d1f, 0x455a64, 0x6a9a00, 0x3949ab, 0x795548
        }),
        /** For a dark page. */
        DARK(new Color(0x16181c), new Color(0xe6e6e6), new Color(0x3c4046), new int[] {
            0x6ab0f3, 0xff9d57, 0xcf9bf0, 0x5fd3ac, 0xff7eb0, 0xe0c060, 0xa9bcc6, 0xb7e05a, 0x9fa8ff, 0xc7a597
        });

        private final Color ground;
        private final Color writing;
        private final Color grid;
        private final int[] curves;

        Theme(Color ground, Color writing, Color grid, int[] curves) {
            this.ground = ground;
            this.writing = writing;
            this.grid = grid;
            this.curves = curves;
        }

        private Color curve(int i) {
            return new Color(curves[i % curves.length]);
        }
    }

    /** A picture whose axes are numbers and show every point. */
    public CurvePng(String title, String xName, String yName) {
        this(title, xName, yName, List.of(), OptionalDouble.empty());
    }

    /**
     * Writes a light picture whose axes are numbers; a file that is there is replaced in one step.
     *
     * @param file where to; its folder exists
     * @throws QuernException if there is no finite point, the file cannot be written, or this Java cannot draw text
     */
    public static void write(Path file, String title, String xName, String yName, List<Series> series) {
        new CurvePng(title, xName, yName).write(file, Theme.LIGHT, series);
    }

    /** Writes the picture; a file that is there is replaced in one step. */
    public void write(Path file, Theme theme, List<Series> series) {
        byte[] png;
        try {
            png = draw(theme, series);
        } catch (LinkageError | InternalError | NullPointerException e) {
            // Java's font code fails in these ways where the system has no font library or no font.
            throw new QuernException(
                    ExitCode.FAILED,
                    file + ": this Java cannot draw text: install fontconfig and a font (package fonts-dejavu-core)",
                    e);
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, file + ": cannot draw: " + e.getMessage(), e);
        }
        DurableFiles.write(file, png);
    }

    private byte[] draw(Theme theme, List<Series> series) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle(xName)
                .yAxisTitle(yName)
                .build();
        style(chart.getStyler(), theme);
        long names = series.stream().map(Series::name).distinct().count();
        chart.getStyler().setLegendVisible(names > 1);
        if (names > MOST_INSIDE) {
            chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
        }
        Map<String, Color> colours = new LinkedHashMap<>();
        int drawn = 0;
        for (Series one : series) {
            int[] finite = IntStream.range(0, one.x().length)
                    .filter(one::isFinite)
                    .boxed()
                    .sorted((a, b) -> Double.compare(one.x()[a], one.x()[b]))
                    .mapToInt(i -> i)
                    .toArray();
            if (finite.length == 0) {
                continue;
            }
            Color colour = colours.computeIfAbsent(one.name(), n -> theme.curve(colours.size()));
            double[] x = Arrays.stream(finite).mapToDouble(i -> one.x()[i]).toArray();
            double[] y = Arrays.stream(finite).mapToDouble(i -> one.y()[i]).toArray();
            boolean faint = one.style() == Series.Style.FAINT;
            // The chart knows curves by their names, so each needs one of its own.
            XYSeries added = chart.addSeries(faint ? one.name() + " " + drawn : one.name(), x, y);
            added.setShowInLegend(!faint);
            if (faint) {
                added.setLineStyle(new BasicStroke(FAINT_WIDTH));
            }
            Color shown = faint ? new Color(colour.getRed(), colour.getGreen(), colour.getBlue(), FAINT_ALPHA) : colour;
            added.setLineColor(shown);
            added.setMarkerColor(shown);
            added.setMarker(one.points() || finite.length == 1 && !faint ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
            drawn++;
        }
        if (drawn == 0) {
            throw QuernException.failed("no finite point to draw for '%s'", title);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", bytes);
        return bytes.toByteArray();
    }

    /** Ticks between two labels stay bare. */
    private String label(double x) {
        long i = Math.round(x);
        return Math.abs(x - i) < TICK && i >= 0 && i < xLabels.size() ? xLabels.get((int) i) : "";
    }

    private void style(XYStyler styler, Theme theme) {
        styler.setLegendPosition(Styler.LegendPosition.InsideNE);
        styler.setAntiAlias(true);
        styler.setChartBackgroundColor(theme.ground);
        styler.setPlotBackgroundColor(theme.ground);
        styler.setLegendBackgroundColor(theme.ground);
        styler.setLegendBorderColor(theme.grid);
        styler.setPlotBorderColor(theme.grid);
        styler.setPlotGridLinesColor(theme.grid);
        styler.setChartFontColor(theme.writing);
        styler.setAxisTickLabelsColor(theme.writing);
        styler.setAxisTickMarksColor(theme.writing);
        if (!xLabels.isEmpty()) {
            styler.setXAxisTickLabelsFormattingFunction(this::label);
        }
        yMax.ifPresent(styler::setYAxisMax);
    }
}
