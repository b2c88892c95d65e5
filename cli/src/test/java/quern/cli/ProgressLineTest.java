package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class ProgressLineTest {
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(written, true, StandardCharsets.UTF_8);
    private long now;

    private ProgressLine line(boolean interactive, int columns, boolean unicode, long start, long total) {
        Terminal terminal = new Terminal(out, interactive, columns, false, unicode);
        return new ProgressLine(terminal, "train", start, total, Duration.ofSeconds(10), () -> now);
    }

    private void seconds(double seconds) {
        now += (long) (seconds * 1e9);
    }

    private String text() {
        return written.toString(StandardCharsets.UTF_8);
    }

    /** What the terminal shows in the end, where carriage return and erase start the line anew. */
    private String lastPaint() {
        String text = text().stripTrailing();
        return text.substring(text.lastIndexOf("\u001b[K") + 3);
    }

    @Test
    void plainLinesComeEverySoOftenAndAtTheEnd() {
        try (ProgressLine line = line(false, 80, false, 0, 100)) {
            for (int step = 1; step <= 100; step++) {
                seconds(0.5);
                line.update(step, 4.0 / step, 12_345, 800L << 20);
            }
        }
        List<String> lines = text().lines().toList();
        assertEquals("train step 1/100 loss 4.0000 tokens/s 12345 eta 0:50 memory 800 MB", lines.getFirst());
        assertEquals("train step 100/100 loss 0.0400 tokens/s 12345 memory 800 MB", lines.getLast());
        // 50 s at one line per 10 s, the first at once and the last at the end.
        assertEquals(6, lines.size());
        assertTrue(text().chars().noneMatch(c -> c == '\r' || c == 27), "no control characters in a log");
    }

    @Test
    void aStoppedRunStillPrintsItsLastState() {
        ProgressLine line = line(false, 80, false, 0, 100);
        line.update(1, 3, Double.NaN, 0);
        line.update(2, 2.5, Double.NaN, 0);
        line.close();
        assertEquals(
                "train step 2/100 loss 2.5000 eta 0:00", text().lines().toList().getLast());
        line.close();
        assertEquals(2, text().lines().count(), "closing twice prints nothing more");
    }

    @Test
    void theLiveLineRepaintsInPlaceAndAtMostTenTimesASecond() {
        try (ProgressLine line = line(true, 100, true, 0, 1000)) {
            for (int step = 1; step <= 500; step++) {
                seconds(0.01);
                line.update(step, 2.0, 1e4, 0);
            }
        }
        long paints = text().split("\r", -1).length - 1L;
        assertTrue(paints >= 40 && paints <= 55, paints + " paints in 5 s");
        assertEquals(text().length() - 1, text().indexOf('\n'), "one line on the screen");
        assertTrue(lastPaint().startsWith("train 500/1000 "), lastPaint());
        assertTrue(lastPaint().contains(" 50%  loss 2.0000  ETA 0:05  10.0k tokens/s"), lastPaint());
    }

    @Test
    void theLiveLineNeverReachesTheLastColumn() {
        for (int columns = 1; columns < 140; columns++) {
            for (boolean unicode : new boolean[] {true, false}) {
                written.reset();
                try (ProgressLine line = line(true, columns, unicode, 0, 20_000)) {
                    seconds(1);
                    line.update(12_345, 123.456, 123_456, 12L << 30);
                }
                assertTrue(lastPaint().length() <= Math.max(1, columns - 1), columns + ": " + lastPaint());
            }
        }
    }

    @Test
    void theBarFillsInProportion() {
        for (boolean unicode : new boolean[] {true, false}) {
            for (int step = 0; step <= 80; step += 8) {
                written.reset();
                try (ProgressLine line = line(true, 120, unicode, 0, 80)) {
                    seconds(1);
                    line.update(step, 1, 1, 1);
                }
                long full =
                        lastPaint().chars().filter(c -> c == '█' || c == '#').count();
                int width = unicode ? 30 : 28;
                assertEquals(step * width / 80.0, full, 1.0, lastPaint());
            }
        }
    }

    @Test
    void timeLeftComesFromThisRunAndNotFromTheStepsBeforeAResume() {
        try (ProgressLine line = line(false, 80, false, 900, 1000)) {
            seconds(2);
            line.update(901, 1, Double.NaN, 0);
        }
        assertTrue(text().contains("eta 3:18"), text());
    }

    @Test
    void timeSpentElsewhereDoesNotCountForTheTimeLeft() {
        try (ProgressLine line = line(false, 80, false, 0, 100)) {
            seconds(1);
            line.update(1, 1, Double.NaN, 0);
            seconds(500);
            line.skipTime();
            seconds(1);
            line.update(2, 1, Double.NaN, 0);
        }
        assertTrue(text().contains("step 2/100 loss 1.0000 eta 1:38"), text());
    }

    @Test
    void linesForThePersonStandAboveTheLiveLine() {
        try (ProgressLine line = line(true, 80, false, 0, 10)) {
            line.update(1, 1, 1, 1);
            line.println("Once upon a time");
        }
        assertTrue(text().contains("\r\u001b[KOnce upon a time\n\r\u001b[Ktrain 1/10"), text());
    }

    @Test
    void valuesThatAreUnknownAreLeftOut() {
        try (ProgressLine line = line(false, 80, false, 0, 10)) {
            line.update(0, Double.NaN, Double.NaN, 0);
        }
        assertEquals("train step 0/10\n", text());
        assertThrows(IllegalArgumentException.class, () -> line(false, 80, false, 0, 0));
    }

    @Test
    void unitsAreReadable() {
        assertEquals("950", ProgressLine.count(950));
        assertEquals("12.3k", ProgressLine.count(12_345));
        assertEquals("4.5M", ProgressLine.count(4_500_000));
        assertEquals("812 MB", ProgressLine.bytes(812L << 20));
        assertEquals("3.5 GB", ProgressLine.bytes(3584L << 20));
        assertEquals("0:07", ProgressLine.time(Duration.ofSeconds(7)));
        assertEquals("1:00:00", ProgressLine.time(Duration.ofMillis(3_599_600)));
    }
}
