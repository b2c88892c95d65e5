package quern.evaluate.plot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.QuernException;

class CurvePngTest {
    private static final int TRAIN_COLOUR = 0x1f77b4;

    @TempDir
    Path folder;

    @Test
    void aFallingCurveFallsInThePicture() throws IOException {
        double[] x = IntStream.rangeClosed(1, 300).asDoubleStream().toArray();
        double[] y =
                IntStream.rangeClosed(1, 300).mapToDouble(i -> 4.0 - i / 100.0).toArray();
        y[10] = Double.NaN;
        Path file = folder.resolve("loss.png");
        Files.writeString(file, "an older picture");
        Series validation = Series.points("validation", new double[] {100, 200}, new double[] {3.1, 2.2});
        CurvePng.write(file, "Loss", "step", "loss", List.of(Series.line("train", x, y), validation));

        BufferedImage picture = ImageIO.read(file.toFile());
        assertEquals(1000, picture.getWidth());
        assertEquals(600, picture.getHeight());
        double left = meanRow(picture, 100, 300);
        double right = meanRow(picture, 500, 700);
        assertTrue(right > left + 100, "rows grow downwards: " + left + " then " + right);
        try (var files = Files.list(folder)) {
            assertEquals(1, files.count(), "no temporary file is left");
        }
    }

    private static double meanRow(BufferedImage picture, int fromColumn, int toColumn) {
        return IntStream.range(fromColumn, toColumn)
                .flatMap(x -> IntStream.range(0, picture.getHeight())
                        .filter(y -> (picture.getRGB(x, y) & 0xffffff) == TRAIN_COLOUR))
                .average()
                .orElseThrow();
    }

    @Test
    void nothingToDrawAndNowhereToWriteAreErrorsThatNameTheCurveOrFile() {
        Series none = Series.line("train", new double[] {1}, new double[] {Double.NaN});
        QuernException nothing = assertThrows(
                QuernException.class,
                () -> CurvePng.write(folder.resolve("a.png"), "Loss", "step", "loss", List.of(none)));
        assertTrue(nothing.getMessage().contains("Loss"), nothing.getMessage());
        assertFalse(Files.exists(folder.resolve("a.png")));

        Series one = Series.line("train", new double[] {1}, new double[] {1});
        Path file = folder.resolve("missing").resolve("a.png");
        QuernException nowhere =
                assertThrows(QuernException.class, () -> CurvePng.write(file, "Loss", "step", "loss", List.of(one)));
        assertTrue(nowhere.getMessage().contains("a.png"), nowhere.getMessage());
    }

    @Test
    void curvesOfOneNameShareAColourAndTheTopCutsOff() throws IOException {
        double[] x = {0, 1, 2};
        Path file = folder.resolve("two.png");
        new CurvePng("Loss", "value", "loss", List.of("a", "b", "c"), OptionalDouble.of(2))
                .write(
                        file,
                        CurvePng.Theme.DARK,
                        List.of(
                                Series.line("first", x, new double[] {1, 1.5, 1}),
                                Series.faint("first", x, new double[] {1.1, 1.6, 1.1}),
                                Series.line("second", x, new double[] {1.9, 1.8, 1.9}),
                                Series.line("gone", x, new double[] {50, 60, 70})));
        BufferedImage picture = ImageIO.read(file.toFile());
        assertEquals(0x16181c, picture.getRGB(2, 2) & 0xffffff, "the ground of a dark page");
        assertTrue(count(picture, 0x6ab0f3) > 0, "the first curve");
        assertTrue(count(picture, 0xff9d57) > 0, "the second name's colour, not the third's: faint curves take none");
        // Of the curve above the top only the legend's sample of it is drawn.
        assertTrue(count(picture, 0xcf9bf0) < 150, "pixels: " + count(picture, 0xcf9bf0));
    }

    private static long count(BufferedImage picture, int colour) {
        return IntStream.range(0, picture.getWidth())
                .flatMap(i -> IntStream.range(0, picture.getHeight())
                        .filter(j -> (picture.getRGB(i, j) & 0xffffff) == colour))
                .count();
    }
}
