package quern.data.internal;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The pieces that the unigram model starts from (Kudo 2018, section 3.2): every character, and the most promising of the strings
 * that occur in two places or more and can go on in two ways, the inner nodes of the words' suffix tree, found from a suffix
 * array and the lengths of common prefixes. A string's promise is its number of places times its length; each distinct word
 * counts once.
 */
final class SeedPieces {
    /** Where each piece begins in the text; the first is not used, it stands for unknown characters. */
    final int[] from;

    /** Symbols of each piece. */
    final int[] length;

    /** Log-probability of each piece. */
    final double[] score;

    /** The pieces in order of their symbols. */
    final int[] sorted;

    private SeedPieces(int[] from, int[] length, double[] score, int[] sorted) {
        this.from = from;
        this.length = length;
        this.score = score;
        this.sorted = sorted;
    }

    /** Repeated strings: what they are worth, and where they begin in the text. */
    private static final class Repeats {
        final int longest;
        /** Promise in the upper half; place in the suffix order and length in the lower. */
        long[] keys = new long[1 << 12];

        int size;

        Repeats(int longest) {
            this.longest = longest;
        }

        void add(int left, int length, long places) {
            if (size == keys.length) {
                keys = Arrays.copyOf(keys, size * 2);
            }
            keys[size++] = places * length << 32 | order(left, length);
        }

        long order(int left, int length) {
            return (long) left * (longest + 1) + length;
        }
    }

    /**
     * Finds the pieces.
     *
     * @param longest symbols in a piece at most
     * @param most pieces at most, characters included
     */
    static SeedPieces of(SymbolText text, int longest, int most, int threads) {
        int[] suffixes = SuffixOrder.of(text, longest + 1, threads);
        Repeats repeats = repeats(text, suffixes, longest);
        int[] characters = characters(text);
        // The most promising first; of equal ones the later in the order.
        Arrays.sort(repeats.keys, 0, repeats.size);
        int strings = Math.max(0, Math.min(repeats.size, most - characters.length));
        int count = 1 + characters.length + strings;
        int[] from = new int[count];
        int[] length = new int[count];
        double[] weight = new double[count];
        long[] order = new long[count];
        int[] firstPlace = firstPlaces(text, suffixes);
        long[] occurrences = occurrences(text);
        for (int i = 0; i < characters.length; i++) {
            int symbol = characters[i];
            from[i + 1] = suffixes[firstPlace[symbol]];
            length[i + 1] = 1;
            weight[i + 1] = occurrences[symbol];
            order[i + 1] = repeats.order(firstPlace[symbol], 1);
        }
        for (int i = 0; i < strings; i++) {
            long key = repeats.keys[repeats.size - 1 - i];
            int to = 1 + characters.length + i;
            order[to] = key & 0xffffffffL;
            from[to] = suffixes[(int) (order[to] / (longest + 1))];
            length[to] = (int) (order[to] % (longest + 1));
            weight[to] = key >>> 32;
        }
        double sum = 0;
        for (double w : weight) {
            sum += w;
        }
        double log = StrictMath.log(sum);
        double[] score = new double[count];
        for (int i = 1; i < count; i++) {
            score[i] = StrictMath.log(weight[i]) - log;
        }
        return new SeedPieces(from, length, score, sorted(order));
    }

    /** Numbers of all pieces but the first by their place in the suffix order. */
    private static int[] sorted(long[] order) {
        long[] keys = new long[order.length - 1];
        for (int i = 1; i < order.length; i++) {
            keys[i - 1] = order[i];
        }
        Arrays.sort(keys);
        int[] sorted = new int[keys.length];
        for (int i = 1; i < order.length; i++) {
            sorted[Arrays.binarySearch(keys, order[i])] = i;
        }
        return sorted;
    }

    private static int[] firstPlaces(SymbolText text, int[] suffixes) {
        int[] first = new int[text.alphabet().length];
        for (int i = suffixes.length - 1; i >= 0; i--) {
            first[text.symbols()[suffixes[i]]] = i;
        }
        return first;
    }

    private static long[] occurrences(SymbolText text) {
        long[] occurrences = new long[text.alphabet().length];
        for (int w = 0; w < text.words(); w++) {
            for (int i = text.starts()[w]; i < text.starts()[w + 1] - 1; i++) {
                occurrences[text.symbols()[i]] += text.counts()[w];
            }
        }
        return occurrences;
    }

    /** The symbols, the most frequent first, of equal ones the greater. */
    private static int[] characters(SymbolText text) {
        long[] occurrences = occurrences(text);
        return IntStream.range(1, occurrences.length)
                .boxed()
                .sorted((a, b) -> occurrences[a] != occurrences[b]
                        ? Long.compare(occurrences[b], occurrences[a])
                        : Integer.compare(b, a))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static Repeats repeats(SymbolText text, int[] suffixes, int longest) {
        Repeats found = new Repeats(longest);
        int[] symbols = text.symbols();
        // Open strings, each a prefix of the next, by length: where each began in the order.
        int[] lengths = new int[longest + 3];
        int[] lefts = new int[longest + 3];
        int open = 0;
        for (int i = 1; i <= suffixes.length; i++) {
            int common = i < suffixes.length ? common(symbols, suffixes[i - 1], suffixes[i], longest + 1) : 0;
            int left = i - 1;
            while (open > 0 && lengths[open - 1] > common) {
                open--;
                left = lefts[open];
                int length = lengths[open];
                if (length > 1 && length <= longest && symbols[suffixes[left] + length - 1] != 0) {
                    found.add(left, length, i - left);
                }
            }
            if (common > 0 && (open == 0 || lengths[open - 1] < common)) {
                lengths[open] = common;
                lefts[open] = left;
                open++;
            }
        }
        return found;
    }

    /** Symbols that two suffixes have in common, a word's end the last. */
    private static int common(int[] symbols, int a, int b, int most) {
        int length = 0;
        while (length < most && symbols[a + length] == symbols[b + length]) {
            if (symbols[a + length] == 0) {
                return length + 1;
            }
            length++;
        }
        return length;
    }
}
