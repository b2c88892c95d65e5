package quern.cli;

import java.time.Duration;
import java.util.Locale;
import java.util.function.LongSupplier;

/**
 * The progress of a run: on a terminal one live line (bar, step, loss, tokens per second, time left, memory) that
 * repaints in place; elsewhere a plain, complete line every so often. Lines for the person go through {@link #println},
 * which keeps the live line below them. Not safe for several threads at once without this object's lock, which every
 * method takes.
 */
public final class ProgressLine implements AutoCloseable {
    /** Time between two plain lines where nobody watches. */
    public static final Duration PLAIN_INTERVAL = Duration.ofSeconds(15);

    private static final long REPAINT_NANOS = 100_000_000L;
    private static final String ERASE = "\r\u001b[K";
    // The share of a new measurement in the running mean of the time a step takes.
    private static final double SMOOTHING = 0.1;
    private static final int BAR_MOST = 30;
    private static final int BAR_LEAST = 8;
    private static final String EIGHTHS = " ▏▎▍▌▋▊▉█";

    private final Terminal terminal;
    private final String label;
    private final long total;
    private final long plainNanos;
    private final LongSupplier clock;

    private long lastStep;
    private long lastStepAt;
    private double nanosPerStep = Double.NaN;
    private long paintedAt;
    private boolean painted;
    private String shown = "";
    private boolean pending;

    /**
     * A line that begins at step {@code start} (not 0 for a resumed run) of {@code total}.
     *
     * @param label what is going on, one short word
     */
    public ProgressLine(Terminal terminal, String label, long start, long total) {
        this(terminal, label, start, total, PLAIN_INTERVAL, System::nanoTime);
    }

    ProgressLine(
            Terminal terminal, String label, long start, long total, Duration plainInterval, LongSupplier nanoClock) {
        if (total < 1 || start < 0) {
            throw new IllegalArgumentException("step " + start + " of " + total + " is no progress");
        }
        this.terminal = terminal;
        this.label = label;
        this.total = total;
        this.plainNanos = plainInterval.toNanos();
        this.clock = nanoClock;
        this.lastStep = start;
        this.lastStepAt = nanoClock.getAsLong();
        this.paintedAt = lastStepAt;
    }

    /**
     * Tells where the run is. Cheap when nothing needs painting, so it may be called at every step.
     *
     * @param step steps done so far
     * @param loss the latest training loss, NaN if there is none yet
     * @param tokensPerSecond throughput, NaN if unknown
     * @param memoryBytes resident memory of the process, 0 if unknown
     */
    public synchronized void update(long step, double loss, double tokensPerSecond, long memoryBytes) {
        long now = clock.getAsLong();
        if (step > lastStep) {
            double measured = (double) (now - lastStepAt) / (step - lastStep);
            nanosPerStep = Double.isNaN(nanosPerStep) ? measured : nanosPerStep + SMOOTHING * (measured - nanosPerStep);
            lastStep = step;
            lastStepAt = now;
        }
        if (terminal.interactive()) {
            shown = live(step, loss, tokensPerSecond, memoryBytes);
            if (!painted || now - paintedAt >= REPAINT_NANOS || step >= total) {
                paint(now);
            }
        } else {
            shown = plain(step, loss, tokensPerSecond, memoryBytes);
            pending = true;
            if (!painted || now - paintedAt >= plainNanos || step >= total) {
                terminal.out().println(shown);
                painted = true;
                paintedAt = now;
                pending = false;
            }
        }
    }

    /** Time that was not spent on steps (an evaluation, a save) does not count for the time left. */
    public synchronized void skipTime() {
        lastStepAt = clock.getAsLong();
    }

    /** Prints a line, or several, above the live one. */
    public synchronized void println(String text) {
        if (terminal.interactive() && painted) {
            terminal.out().print(ERASE);
        }
        terminal.out().println(text);
        if (terminal.interactive() && painted) {
            paint(clock.getAsLong());
        }
    }

    /** Leaves the last state on the screen and ends the line. */
    @Override
    public synchronized void close() {
        if (terminal.interactive()) {
            if (painted) {
                paint(clock.getAsLong());
                terminal.out().println();
            }
        } else if (pending) {
            terminal.out().println(shown);
        }
        painted = false;
        pending = false;
        terminal.out().flush();
    }

    private void paint(long now) {
        terminal.out().print(ERASE + shown);
        terminal.out().flush();
        painted = true;
        paintedAt = now;
    }

    private String live(long step, double loss, double tokensPerSecond, long memoryBytes) {
        String head = label + " " + step + "/" + total + " ";
        // What gives way first where the terminal is narrow stands last.
        String[] parts = {
            String.format(Locale.ROOT, " %3d%%", 100 * Math.min(step, total) / total),
            Double.isNaN(loss) ? "" : "  loss " + loss(loss),
            step >= total || Double.isNaN(nanosPerStep) ? "" : "  ETA " + time(remaining(step)),
            Double.isNaN(tokensPerSecond) ? "" : "  " + count(tokensPerSecond) + " tokens/s",
            memoryBytes <= 0 ? "" : "  " + bytes(memoryBytes),
        };
        // A terminal wraps when its last column is written, so that one stays free.
        int room = terminal.columns() - 1 - head.length();
        StringBuilder tail = new StringBuilder();
        for (String part : parts) {
            if (tail.length() + part.length() + BAR_LEAST > room) {
                break;
            }
            tail.append(part);
        }
        int width = Math.min(BAR_MOST, room - tail.length());
        String line = head + (width >= BAR_LEAST ? bar(step, width) : "") + tail;
        return line.substring(0, Math.min(line.length(), Math.max(1, terminal.columns() - 1)));
    }

    private String bar(long step, int width) {
        double share = Math.min(1.0, (double) step / total);
        if (!terminal.unicode()) {
            int full = (int) (share * (width - 2));
            return "[" + "#".repeat(full) + ".".repeat(width - 2 - full) + "]";
        }
        int eighths = (int) Math.floor(share * width * 8);
        StringBuilder bar = new StringBuilder("█".repeat(eighths / 8));
        if (bar.length() < width) {
            bar.append(eighths % 8 == 0 ? '░' : EIGHTHS.charAt(eighths % 8));
        }
        return bar.append("░".repeat(Math.max(0, width - bar.length()))).toString();
    }

    private String plain(long step, double loss, double tokensPerSecond, long memoryBytes) {
        StringBuilder line = new StringBuilder(label)
                .append(" step ")
                .append(step)
                .append('/')
                .append(total);
        if (!Double.isNaN(loss)) {
            line.append(" loss ").append(loss(loss));
        }
        if (!Double.isNaN(tokensPerSecond)) {
            line.append(" tokens/s ").append(Math.round(tokensPerSecond));
        }
        if (step < total && !Double.isNaN(nanosPerStep)) {
            line.append(" eta ").append(time(remaining(step)));
        }
        if (memoryBytes > 0) {
            line.append(" memory ").append(bytes(memoryBytes));
        }
        return line.toString();
    }

    private Duration remaining(long step) {
        return Duration.ofNanos((long) (nanosPerStep * Math.max(0, total - step)));
    }

    private static String loss(double loss) {
        return String.format(Locale.ROOT, Math.abs(loss) >= 100 ? "%.1f" : "%.4f", loss);
    }

    /** 950, 12.3k, 4.5M. */
    public static String count(double value) {
        if (value < 1000) {
            return String.format(Locale.ROOT, "%.0f", value);
        }
        return value < 1e6
                ? String.format(Locale.ROOT, "%.1fk", value / 1e3)
                : String.format(Locale.ROOT, "%.1fM", value / 1e6);
    }

    /** 812 MB, 3.4 GB (powers of 1024, as top and free count). */
    public static String bytes(long bytes) {
        double mebibytes = bytes / 1048576.0;
        return mebibytes < 1000
                ? String.format(Locale.ROOT, "%.0f MB", mebibytes)
                : String.format(Locale.ROOT, "%.1f GB", mebibytes / 1024);
    }

    /** 0:07, 12:30, 3:05:00. */
    public static String time(Duration time) {
        long seconds = Math.round(time.toMillis() / 1000.0);
        return seconds < 3600
                ? String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60)
                : String.format(Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
}
