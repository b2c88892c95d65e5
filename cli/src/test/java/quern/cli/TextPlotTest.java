package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import quern.evaluate.plot.Series;

class TextPlotTest {
    private static final Terminal ASCII = new Terminal(System.out, false, 60, false, false);
    private static final Terminal BRAILLE = new Terminal(System.out, false, 60, false, true);

    private static Series falling() {
        double[] x = IntStream.rangeClosed(1, 200).asDoubleStream().toArray();
        double[] y = IntStream.rangeClosed(1, 200)
                .mapToDouble(i -> 1.5 + 3 * Math.exp(-i / 40.0))
                .toArray();
        return Series.line("train", x, y);
    }

    @Test
    void aFallingLineStartsAtTheTopLeftAndEndsAtTheBottomRight() {
        List<String> lines = TextPlot.lines(ASCII, "loss", "step", 10, List.of(falling()));
        assertEquals("loss   * train", lines.getFirst());
        int edge = lines.get(1).indexOf('*');
        assertTrue(edge >= 0 && edge <= 8, lines.get(1));
        assertTrue(lines.get(10).lastIndexOf('*') >= 57, lines.get(10));
        assertFalse(lines.get(1).lastIndexOf('*') > 15, "only the first steps are high");
        assertEquals(13, lines.size(), "heading, ten rows, axis, labels");
        assertTrue(lines.getLast().contains("100") && lines.getLast().contains("200"), lines.getLast());
        assertTrue(
                lines.stream().anyMatch(line -> line.startsWith("3 +") || line.startsWith("3.0 +")), lines::toString);
    }

    @Test
    void everyColumnBetweenTwoDistantPointsIsJoined() {
        Series line = Series.line("a", new double[] {0, 100}, new double[] {0, 1});
        List<String> lines = TextPlot.lines(ASCII, "t", "x", 6, List.of(line));
        int first = lines.get(6).indexOf('*');
        int last = lines.get(1).lastIndexOf('*');
        for (int column = first; column <= last; column++) {
            int c = column;
            assertTrue(lines.subList(1, 7).stream().anyMatch(l -> l.length() > c && l.charAt(c) == '*'), "column " + c);
        }
    }

    @Test
    void brailleLinesAndPointsShowOnUnicodeTerminals() {
        Series validation = Series.points("validation", new double[] {50, 100, 200}, new double[] {3, 2, 1.6});
        List<String> lines = TextPlot.lines(BRAILLE, "loss", "step", 8, List.of(falling(), validation));
        String all = String.join("\n", lines);
        assertEquals(4, all.chars().filter(c -> c == '●').count(), "three points and the legend:\n" + all);
        assertTrue(all.chars().anyMatch(c -> c > 0x2800 && c <= 0x28ff), all);
        assertTrue(lines.stream().allMatch(line -> line.length() < 60), all);
    }

    @Test
    void pointsThatAreNotFiniteAreLeftOut() {
        Series series =
                Series.line("a", new double[] {1, 2, 3, 4}, new double[] {Double.NaN, 2, Double.POSITIVE_INFINITY, 1});
        assertEquals(6, TextPlot.lines(ASCII, "t", "x", 3, List.of(series)).size());
        Series none = Series.line("a", new double[] {1}, new double[] {Double.NaN});
        assertEquals(List.of(), TextPlot.lines(ASCII, "t", "x", 3, List.of(none)));
        assertEquals(List.of(), TextPlot.lines(ASCII, "t", "x", 3, List.of()));
    }

    @Test
    void oneSinglePointAndAConstantLineCanBeDrawn() {
        for (Terminal terminal : new Terminal[] {ASCII, BRAILLE}) {
            Series point = Series.points("p", new double[] {5}, new double[] {0});
            Series flat = Series.line("c", new double[] {1, 2, 3}, new double[] {2e-9, 2e-9, 2e-9});
            assertEquals(
                    6, TextPlot.lines(terminal, "t", "x", 3, List.of(point)).size());
            assertEquals(6, TextPlot.lines(terminal, "t", "x", 3, List.of(flat)).size());
        }
    }

    @Test
    void narrowTerminalsAreServed() {
        Terminal narrow = new Terminal(System.out, false, 5, false, false);
        List<String> lines = TextPlot.lines(narrow, "loss", "step", 4, List.of(falling()));
        assertTrue(lines.stream().skip(1).allMatch(line -> line.length() <= 20), lines::toString);
    }

    @Test
    void coloursAppearOnlyWhereTheyAreWanted() {
        Terminal colour = new Terminal(System.out, true, 60, true, true);
        assertTrue(String.join("", TextPlot.lines(colour, "t", "x", 4, List.of(falling())))
                .contains("\u001b[36m"));
        assertFalse(String.join("", TextPlot.lines(BRAILLE, "t", "x", 4, List.of(falling())))
                .contains("\u001b"));
    }

    @Test
    void lengthsMustAgree() {
        assertThrows(IllegalArgumentException.class, () -> Series.line("a", new double[1], new double[2]));
    }
}
