package quern.data.corpus.select;

import java.util.List;
import java.util.Locale;
import quern.data.corpus.internal.Words;
import quern.data.internal.Mix;

/** Hashes of a text's words and pairs of words that follow each other, in lower case without punctuation at the ends. */
final class HashedCounts {
    private HashedCounts() {}

    /** A hash for each n-gram of at most {@code longest} words, as often as it occurs. */
    static long[] hashes(String text, int longest) {
        List<String> words = Words.of(text.toLowerCase(Locale.ROOT));
        long[] single = new long[words.size()];
        for (int i = 0; i < single.length; i++) {
            String bare = Words.bare(words.get(i));
            String word = bare.isEmpty() ? words.get(i) : bare;
            long hash = word.length();
            for (int c = 0; c < word.length(); c++) {
                hash = Mix.hash(hash, word.charAt(c));
            }
            single[i] = hash;
        }
        long[] all = new long[single.length * longest];
        int count = 0;
        for (int i = 0; i < single.length; i++) {
            long hash = 0;
            for (int n = 1; n <= longest && i + n <= single.length; n++) {
                hash = Mix.hash(hash + n, single[i + n - 1]);
                all[count++] = hash;
            }
        }
        return java.util.Arrays.copyOf(all, count);
    }

    /** The bucket of a hash. */
    static int bucket(long hash, int buckets) {
        return (int) Math.unsignedMultiplyHigh(Mix.mix(hash), buckets);
    }
}
