package quern.data.corpus.internal;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A text as a sparse vector of hashed n-grams of words: bucket {@code i} holds {@code log(1 + times)} of the n-grams that
 * fall into it, and the vector has length 1.
 */
final class HashedText {
    private static final long MULTIPLIER = 0x9E3779B97F4A7C15L;

    final int[] buckets;
    final double[] values;

    private HashedText(int[] buckets, double[] values) {
        this.buckets = buckets;
        this.values = values;
    }

    /**
     * Hashes a text.
     *
     * @param longest words in an n-gram at most
     * @param bits of a bucket's number
     */
    static HashedText of(String text, int longest, int bits) {
        List<String> words = Words.of(text.toLowerCase(Locale.ROOT));
        long[] hashes = new long[words.size()];
        for (int i = 0; i < hashes.length; i++) {
            String word = Words.bare(words.get(i));
            hashes[i] = hash(word.isEmpty() ? words.get(i) : word);
        }
        int[] all = new int[hashes.length * longest];
        int count = 0;
        for (int i = 0; i < hashes.length; i++) {
            long ngram = 0;
            for (int n = 1; n <= longest && i + n <= hashes.length; n++) {
                ngram = mix(ngram * 31 + hashes[i + n - 1] + n);
                all[count++] = (int) (ngram >>> (Long.SIZE - bits));
            }
        }
        Arrays.sort(all, 0, count);
        int distinct = 0;
        int[] buckets = new int[count];
        double[] values = new double[count];
        double squares = 0;
        for (int i = 0; i < count; ) {
            int j = i;
            while (j < count && all[j] == all[i]) {
                j++;
            }
            double value = StrictMath.log1p(j - i);
            buckets[distinct] = all[i];
            values[distinct++] = value;
            squares += value * value;
            i = j;
        }
        double scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
        for (int i = 0; i < distinct; i++) {
            values[i] *= scale;
        }
        return new HashedText(Arrays.copyOf(buckets, distinct), Arrays.copyOf(values, distinct));
    }

    private static long hash(String word) {
        long hash = 0xcbf29ce484222325L;
        for (int i = 0; i < word.length(); i++) {
            hash = (hash ^ word.charAt(i)) * 0x100000001b3L;
        }
        return mix(hash);
    }

    private static long mix(long x) {
        long mixed = (x ^ (x >>> 32)) * MULTIPLIER;
        mixed = (mixed ^ (mixed >>> 29)) * 0xBF58476D1CE4E5B9L;
        return mixed ^ (mixed >>> 32);
    }
}
