package quern.data.dedup;

/**
 * Which documents of a bucket are compared, when its members come in ascending order: each with the first of the bucket and
 * with the {@value #WINDOW} before it. All pairs of a bucket of up to {@value #WINDOW} and one.
 */
public final class CandidatePairs {
    /** How many earlier members of its bucket a document is compared with, apart from the first. */
    public static final int WINDOW = 256;

    private final long[] recent = new long[WINDOW];
    private long first;
    private long count;

    /** Takes pairs. */
    public interface Sink {
        /** A pair, {@code earlier < later}. */
        void pair(long earlier, long later);
    }

    /** Begins an empty bucket. */
    public void clear() {
        count = 0;
    }

    /** Adds a member that is above all before it; its pairs with earlier ones go to {@code sink}, the first's foremost. */
    public void add(long member, Sink sink) {
        if (count == 0) {
            first = member;
        } else {
            sink.pair(first, member);
            for (long i = Math.max(1, count - WINDOW); i < count; i++) {
                sink.pair(recent[(int) (i % WINDOW)], member);
            }
        }
        recent[(int) (count % WINDOW)] = member;
        count++;
    }
}
