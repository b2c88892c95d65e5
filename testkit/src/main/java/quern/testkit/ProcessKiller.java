package quern.testkit;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;

/**
 * Kills children with {@code kill -9} at moments that a seed decides, or when something they do is seen. With the
 * random generator of {@link Seeds#stream} a campaign can be replayed, up to the timing of the machine.
 */
public final class ProcessKiller {
    private final RandomGenerator random;

    /** A killer whose waiting times come from the given generator. */
    public ProcessKiller(RandomGenerator random) {
        this.random = random;
    }

    /**
     * What was done to a child.
     *
     * @param killed false where the child had ended by itself before
     * @param after time from the call to the kill, or to the child's end
     */
    public record Kill(boolean killed, Duration after) {}

    /** Kills after a time drawn evenly from [earliest, latest). */
    public Kill atRandomMoment(ChildJvm child, Duration earliest, Duration latest) {
        if (earliest.isNegative() || earliest.compareTo(latest) >= 0) {
            throw new IllegalArgumentException("no moment lies between " + earliest + " and " + latest);
        }
        long started = System.nanoTime();
        return killAt(child, started, started + random.nextLong(earliest.toNanos(), latest.toNanos()));
    }

    /**
     * Kills after a line on standard output or error that matches, those already printed included, and a further time
     * drawn evenly from [0, delay]; zero kills at once.
     *
     * @throws AssertionError if the child ends or the time passes without such a line
     */
    public Kill whenLine(ChildJvm child, Predicate<String> matches, Duration delay, Duration timeout) {
        long started = System.nanoTime();
        child.awaitLine(matches, timeout);
        return killAt(child, started, System.nanoTime() + random.nextLong(delay.toNanos() + 1));
    }

    /**
     * Kills as soon as a file or folder exists.
     *
     * @throws AssertionError if the child ends or the time passes without it
     */
    public Kill whenExists(ChildJvm child, Path marker, Duration timeout) {
        return when(child, () -> Files.exists(marker), marker + " exists", timeout);
    }

    /**
     * Kills as soon as a condition holds, asked every few milliseconds.
     *
     * @param condition the condition in words, for the failure's message
     * @throws AssertionError if the child ends or the time passes without it
     */
    public Kill when(ChildJvm child, BooleanSupplier holds, String condition, Duration timeout) {
        long started = System.nanoTime();
        while (!holds.getAsBoolean()) {
            if (!child.isAlive()) {
                throw new AssertionError("the child ended before " + condition + "\n" + child.stderr());
            }
            if (System.nanoTime() - started > timeout.toNanos()) {
                throw new AssertionError("not so within " + timeout + ": " + condition + "\n" + child.stderr());
            }
            ChildJvm.pause();
        }
        return killAt(child, started, System.nanoTime());
    }

    private static Kill killAt(ChildJvm child, long started, long moment) {
        while (child.isAlive() && System.nanoTime() < moment) {
            // Short sleeps notice a child that ends early; the last stretch is waited for without sleeping.
            if (moment - System.nanoTime() > Duration.ofMillis(4).toNanos()) {
                ChildJvm.pause();
            } else {
                Thread.onSpinWait();
            }
        }
        boolean killed = child.isAlive();
        child.kill();
        return new Kill(killed, Duration.ofNanos(System.nanoTime() - started));
    }
}
