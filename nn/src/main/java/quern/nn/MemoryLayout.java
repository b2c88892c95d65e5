package quern.nn;

/**
 * Which of the past a recurrent layer sees, and where it stands. A query at position t, counted from the start of its text,
 * sees itself, the past back to position {@code s(t) = rate · ⌊(t - length) / rate⌋}, and, before that, the
 * {@code compressed} newest slots, each made of {@code rate} neighbouring positions that end at or before s(t). With a rate of
 * 1 and no slots that is Transformer-XL (Dai et al. 2019, arXiv:1901.02860) with an attention of the same length for every
 * token: the {@code length} positions before it. With slots it is the Compressive Transformer (Rae et al. 2020,
 * arXiv:1911.05507), whose distances go on counting slots behind the uncompressed past.
 *
 * <p>What a query sees doesn't depend on how the text was cut into passes, so passes that hand memories on give what one long
 * pass gives.
 *
 * @param length uncompressed positions before each query, a multiple of the rate
 * @param compressed slots that a query sees
 * @param rate positions that a slot stands for
 */
public record MemoryLayout(int length, int compressed, int rate) {
    /** Checks the sizes. */
    public MemoryLayout {
        if (length < 1 || compressed < 0 || rate < 1 || length % rate != 0) {
            throw new IllegalArgumentException(
                    "a memory of %d and %d compressed at rate %d; the length has to be a multiple of the rate"
                            .formatted(length, compressed, rate));
        }
        if (compressed == 0 && rate > 1) {
            throw new IllegalArgumentException("a compression rate of %d without compressed memory".formatted(rate));
        }
    }

    /** Transformer-XL's: each query sees itself and so many positions before it. */
    public static MemoryLayout uncompressed(int length) {
        return new MemoryLayout(length, 0, 1);
    }

    /** Whether there are slots. */
    boolean compresses() {
        return compressed > 0;
    }

    /**
     * The present pass: positions count from its first token, so those of memories are below 0.
     *
     * @param layout the sizes
     * @param fine uncompressed memories before the pass
     * @param slots compressed memories before those
     * @param t tokens of the pass
     */
    record Present(MemoryLayout layout, int fine, int slots, int t) {
        /** Slots that can be made of the uncompressed memories and this pass. */
        int made() {
            return layout.compresses() ? (fine + t) / layout.rate : 0;
        }

        /** All keys: slots of earlier passes, slots made now, uncompressed memories, the pass itself. */
        int keys() {
            return slots + made() + fine + t;
        }

        /** Where the uncompressed past of the query at {@code i} starts. */
        int start(int i) {
            int phase = fine % layout.rate;
            return Math.floorDiv(i + phase - layout.length, layout.rate) * layout.rate - phase;
        }

        /** The distance of key number {@code key} from the query at {@code i}, or -1 where it doesn't see it. */
        int distance(int i, int key, long textBefore) {
            int compressedKeys = slots + made();
            if (key >= compressedKeys) {
                int at = key - compressedKeys - fine;
                return at >= start(i) && at >= -textBefore && at <= i ? i - at : -1;
            }
            int at = -fine + (key - slots) * layout.rate;
            int behind = Math.floorDiv(start(i) - at, layout.rate);
            return behind >= 1 && behind <= layout.compressed && at >= -textBefore ? i - start(i) + behind : -1;
        }

        /** The largest distance that any query has from any key. */
        int farthest() {
            int most = 0;
            for (int i = 0; i < t; i++) {
                int back = Math.min(i - start(i), i + fine);
                int reached = start(i) > -fine ? layout.compressed : Math.min(slots, layout.compressed);
                most = Math.max(most, back + (layout.compresses() ? reached : 0));
            }
            return most;
        }

        /** Uncompressed memories after the pass. */
        int fineAfter() {
            return Math.min(t - start(t), fine + t);
        }

        /** How many of the slots made now lie behind the uncompressed memories after the pass. */
        int evicted() {
            return layout.compresses() ? (fine + t - fineAfter()) / layout.rate : 0;
        }
    }
}
