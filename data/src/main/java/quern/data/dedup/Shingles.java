package quern.data.dedup;

import java.io.Serializable;
import java.util.Arrays;

/**
 * What two texts have in common is counted in shingles: runs of n words, or of n characters (Broder 1997, "On the
 * resemblance and containment of documents"). A shingle is kept as its 64-bit hash. A text with fewer words (characters)
 * than n is one shingle as it is; one with none has no shingles.
 *
 * <p>Words end at white space; in scripts that write none between words (Han, Kana, Thai, Lao, Khmer, Myanmar) each
 * character is a word.
 *
 * @param unit what a shingle is a run of
 * @param n how many of them
 * @param folding what differences do not count
 */
public record Shingles(Unit unit, int n, Folding folding) implements Serializable {
    private static final long serialVersionUID = 1L;

    private static final long[] NONE = {};

    /** What shingles are runs of. */
    public enum Unit {
        /** Words. */
        WORD,
        /** Characters (UTF-16 units). */
        CHARACTER
    }

    /** A reader of texts; keeps buffers that it uses again, so each thread has its own. */
    public Reader reader() {
        return new Reader(this);
    }

    /** Turns texts to sets of shingles. Not safe for several threads at once. */
    public static final class Reader {
        /** An odd number whose powers place a unit's hash in its shingle. */
        private static final long BASE = 0x9FB21C651E98DF25L;

        private static final long WORD_LANE = 1;
        private static final long WHOLE_LANE = 2;
        private static final long CHARACTER_LANE = 3;

        private final Shingles shingles;
        private final Folding.Buffer buffer;
        private final long[] ring;
        private final long leaving;
        private long[] found = new long[1024];
        private int count;

        private Reader(Shingles shingles) {
            this.shingles = shingles;
            this.buffer = new Folding.Buffer(shingles.folding);
            this.ring = new long[shingles.n];
            long power = 1;
            for (int i = 0; i < shingles.n; i++) {
                power *= BASE;
            }
            this.leaving = power;
        }

        /** The hashes of a text's shingles, each once, in ascending order. */
        public long[] of(String text) {
            buffer.fold(text);
            count = 0;
            int units = shingles.unit == Unit.WORD ? words() : characters();
            if (units == 0) {
                return NONE;
            }
            if (units < shingles.n) {
                // The sum of its units' places is that of no whole shingle, up to chance.
                add(shorter(units));
            }
            Arrays.sort(found, 0, count);
            int distinct = 0;
            for (int i = 0; i < count; i++) {
                if (i == 0 || found[i] != found[i - 1]) {
                    found[distinct++] = found[i];
                }
            }
            return Arrays.copyOf(found, distinct);
        }

        private int words() {
            char[] chars = buffer.chars();
            int length = buffer.length();
            int seen = 0;
            long rolling = 0;
            int from = -1;
            for (int i = 0; i <= length; i++) {
                char c = i < length ? chars[i] : ' ';
                boolean ends = c <= ' ' || c >= 128 && endsWord(chars, i, length, c);
                if (!ends) {
                    from = from < 0 ? i : from;
                    continue;
                }
                if (from >= 0) {
                    rolling = roll(rolling, Scatter.text(chars, from, i, WORD_LANE), seen++);
                    from = -1;
                }
                if (c > ' ' && !Folding.isBlank(c)) {
                    int end = i + (Character.isHighSurrogate(c) ? 2 : 1);
                    rolling = roll(rolling, Scatter.text(chars, i, end, WORD_LANE), seen++);
                    i = end - 1;
                }
            }
            return seen;
        }

        /** Whether a word before this character ends here: it is white space, or a word alone. */
        private static boolean endsWord(char[] chars, int i, int length, char c) {
            if (Folding.isBlank(c)) {
                return true;
            }
            boolean pair = Character.isHighSurrogate(c) && i + 1 < length && Character.isLowSurrogate(chars[i + 1]);
            if (Character.isSurrogate(c) && !pair) {
                return false;
            }
            return Folding.isWordAlone(pair ? Character.toCodePoint(c, chars[i + 1]) : c);
        }

        private int characters() {
            char[] chars = buffer.chars();
            int length = buffer.length();
            long rolling = 0;
            for (int i = 0; i < length; i++) {
                rolling = roll(rolling, Scatter.mix(chars[i] + (CHARACTER_LANE << 16)), i);
            }
            return length;
        }

        /** Takes the next unit in and the oldest out; adds a shingle when n units are in. */
        private long roll(long rolling, long unit, int seen) {
            int place = seen % ring.length;
            long next = rolling * BASE + unit;
            if (seen >= ring.length) {
                next -= ring[place] * leaving;
            }
            ring[place] = unit;
            if (seen + 1 >= ring.length) {
                add(Scatter.mix(next));
            }
            return next;
        }

        private long shorter(int units) {
            long hash = WHOLE_LANE;
            for (int i = 0; i < units; i++) {
                hash = Scatter.mix(hash * BASE + ring[i]);
            }
            return hash;
        }

        private void add(long hash) {
            if (count == found.length) {
                found = Arrays.copyOf(found, 2 * count);
            }
            found[count++] = hash;
        }
    }
}
