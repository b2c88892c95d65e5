package quern.tensor.kernel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Tells how a stretch of work divides into its parts. Off, as it is but in a benchmark, it costs a look at one field where a
 * part begins and ends, and parts are no smaller than a tile of rows.
 *
 * <p>Every thread that works counts for the part it is in, and for that part alone: a part that begins within another
 * interrupts it. While the {@link KernelThreads} work together each of their threads counts with its share, 1/threads; time
 * when a thread of theirs waits counts for no part. Outside of that the thread that called {@link #start} counts in full,
 * whatever libtorch's threads do in its operators; other threads do not count. So the parts and the waiting together are the
 * time by the wall clock.
 */
public final class PartClock {
    /** What work may be part of. */
    public enum Part {
        /** Products of a block's linear maps. */
        GEMM,
        /** From queries, keys and values to the heads' results, and back. */
        ATTENTION,
        /** The products of the head, and what is done with rows around them. */
        HEAD,
        /** Softmax and cross-entropy with their gradient. */
        LOSS,
        /** Norms. */
        NORM,
        /** Activations between linear maps. */
        ACTIVATION,
        /** The rest of blocks: residual sums, copies, conversions, weights laid out for products. */
        BLOCK,
        /** Embeddings and positions. */
        EMBEDDING,
        /** The norm of the gradients, clipping, the update. */
        OPTIMIZER,
        /** Batches and their tensors. */
        DATA,
        /** Everything else. */
        OTHER
    }

    /** A thread's sums: alone, and as one of the kernel threads. */
    private static final class Clock {
        final long[] alone = new long[Part.values().length];
        final long[] shared = new long[Part.values().length];
        int generation;
        boolean starter;
        boolean joined;
        Part current;
        long since;

        Part to(Part next) {
            return to(next, System.nanoTime());
        }

        Part to(Part next, long now) {
            Part before = current;
            if (before != null && (joined || starter)) {
                (joined ? shared : alone)[before.ordinal()] += Math.max(0, now - since);
            }
            current = next;
            since = now;
            return before;
        }
    }

    private static final ThreadLocal<Clock> CLOCK = ThreadLocal.withInitial(Clock::new);
    private static final List<Clock> CLOCKS = new ArrayList<>();
    private static volatile int running;
    private static int generation;
    private static long started;

    private PartClock() {}

    /** Starts at zero; the caller is in {@link Part#OTHER}. */
    public static void start() {
        synchronized (CLOCKS) {
            CLOCKS.clear();
            running = ++generation;
            started = System.nanoTime();
        }
        Clock clock = mine();
        clock.starter = true;
        clock.to(Part.OTHER);
    }

    /**
     * Stops.
     *
     * @return seconds by the wall clock a part; {@code waiting} is what remains
     */
    public static Times stop() {
        if (running == 0) {
            throw new IllegalStateException("the clock was not started");
        }
        mine().to(null);
        synchronized (CLOCKS) {
            double seconds = (System.nanoTime() - started) / 1e9;
            running = 0;
            Map<Part, Double> parts = new EnumMap<>(Part.class);
            double sum = 0;
            for (Part part : Part.values()) {
                double of = 0;
                for (Clock clock : CLOCKS) {
                    of += clock.alone[part.ordinal()] + (double) clock.shared[part.ordinal()] / KernelThreads.count();
                }
                parts.put(part, of / 1e9);
                sum += of / 1e9;
            }
            CLOCKS.clear();
            return new Times(seconds, parts, Math.max(0, seconds - sum));
        }
    }

    /** Seconds by the wall clock: in all, by part, and in no part. */
    public record Times(double seconds, Map<Part, Double> parts, double waiting) {}

    /** This thread is in {@code part} from now on; gives what to {@link #leave} to, which is null while the clock is off. */
    public static Part enter(Part part) {
        return running == 0 ? null : mine().to(part);
    }

    /** Ends what {@link #enter} began. */
    public static void leave(Part before) {
        if (running != 0) {
            mine().to(before);
        }
    }

    /** The part this thread is in, or null. */
    public static Part current() {
        return running == 0 ? null : mine().current;
    }

    /** This thread works with others on a part from now on; the part it was in before waits. */
    static Part join(Part part) {
        if (running == 0) {
            return null;
        }
        Clock clock = mine();
        Part before = clock.to(part);
        clock.joined = true;
        return before;
    }

    /** This thread has no more to do, and waits for the others. */
    static void idle() {
        if (running != 0) {
            mine().to(null);
        }
    }

    /** As above, at a moment that may have gone by: from then on the others counted for all of the time. */
    static void idleSince(long moment) {
        if (running != 0) {
            mine().to(null, moment);
        }
    }

    /** This thread works alone again. */
    static void part(Part before) {
        if (running != 0) {
            Clock clock = mine();
            clock.to(before);
            clock.joined = false;
        }
    }

    private static Clock mine() {
        Clock clock = CLOCK.get();
        if (clock.generation != running) {
            clock.generation = running;
            clock.starter = false;
            clock.joined = false;
            clock.current = null;
            Arrays.fill(clock.alone, 0);
            Arrays.fill(clock.shared, 0);
            synchronized (CLOCKS) {
                CLOCKS.add(clock);
            }
        }
        return clock;
    }
}
