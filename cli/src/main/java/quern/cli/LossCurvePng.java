package quern.cli;

import java.awt.Color;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Curves as a PNG picture, drawn without a display. */
public final class LossCurvePng {
    private static final int WIDTH = 1000;
    private static final int HEIGHT = 600;
    private static final Color[] COLOURS = {
        new Color(0x1f77b4), new Color(0xd95f02), new Color(0x7b3294), new Color(0x1b9e77)
    };

    private LossCurvePng() {}

    /**
     * Writes the picture; a file that is there is replaced in one step.
     *
     * @param file where to; its folder exists
     * @param title the heading
     * @param xName what the horizontal axis counts
     * @param yName what the vertical axis shows
     * @throws QuernException if there is no finite point, the file cannot be written, or this Java cannot draw text
     */
    public static void write(Path file, String title, String xName, String yName, List<Series> series) {
        byte[] png;
        try {
            png = draw(title, xName, yName, series);
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

    private static byte[] draw(String title, String xName, String yName, List<Series> series) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title(title)
                .xAxisTitle(xName)
                .yAxisTitle(yName)
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setAntiAlias(true);
        int drawn = 0;
        for (int s = 0; s < series.size(); s++) {
            Series one = series.get(s);
            int[] finite = IntStream.range(0, one.x().length)
                    .filter(one::isFinite)
                    .boxed()
                    .sorted((a, b) -> Double.compare(one.x()[a], one.x()[b]))
                    .mapToInt(i -> i)
                    .toArray();
            if (finite.length == 0) {
                continue;
            }
            double[] x = Arrays.stream(finite).mapToDouble(i -> one.x()[i]).toArray();
            double[] y = Arrays.stream(finite).mapToDouble(i -> one.y()[i]).toArray();
            XYSeries added = chart.addSeries(one.name(), x, y);
            added.setLineColor(COLOURS[s % COLOURS.length]);
            added.setMarkerColor(COLOURS[s % COLOURS.length]);
            added.setMarker(one.points() || finite.length == 1 ? SeriesMarkers.CIRCLE : SeriesMarkers.NONE);
            drawn++;
        }
        if (drawn == 0) {
            throw QuernException.failed("no finite point to draw for '%s'", title);
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", bytes);
        return bytes.toByteArray();
    }
}
