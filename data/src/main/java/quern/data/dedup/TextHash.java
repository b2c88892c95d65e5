package quern.data.dedup;

/**
 * A text's identity after folding: two independent 64-bit hashes. Two texts that differ have the same with a probability of
 * about 2^-128; it is no defence against someone who makes texts to collide.
 *
 * @param high one hash
 * @param low the other
 */
public record TextHash(long high, long low) {
    private static final long HIGH_LANE = 11;
    private static final long LOW_LANE = 12;

    /** Hashes texts; keeps a buffer that it uses again, so each thread has its own. */
    public static final class Reader {
        private final Folding.Buffer buffer;

        /** Hashes texts after {@code folding}. */
        public Reader(Folding folding) {
            buffer = new Folding.Buffer(folding);
        }

        /** The hash of a text. */
        public TextHash of(String text) {
            buffer.fold(text);
            return new TextHash(
                    Scatter.text(buffer.chars(), 0, buffer.length(), HIGH_LANE),
                    Scatter.text(buffer.chars(), 0, buffer.length(), LOW_LANE));
        }

        /** How many characters (UTF-16 units) the last text had after folding, blanks at its ends aside. */
        int strippedLength() {
            char[] chars = buffer.chars();
            int from = 0;
            int to = buffer.length();
            while (from < to && Folding.isBlank(chars[from])) {
                from++;
            }
            while (to > from && Folding.isBlank(chars[to - 1])) {
                to--;
            }
            return to - from;
        }
    }

    /** The identity of a set of shingles in ascending order. */
    public static TextHash ofSet(long[] shingles) {
        long high = Scatter.stream(HIGH_LANE, shingles.length);
        long low = Scatter.stream(LOW_LANE, shingles.length);
        for (long shingle : shingles) {
            high = Scatter.mix(high + shingle);
            low = Scatter.mix(Long.rotateLeft(low, 29) ^ shingle) + HIGH_LANE;
        }
        return new TextHash(high, low);
    }
}
