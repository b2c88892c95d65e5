package quern.data.dedup;

import java.util.Arrays;

/**
 * MinHash signatures (Broder 1997): the least value of a set under each of many random orders. The share of places at which
 * two signatures agree estimates the similarity of their sets.
 *
 * <p>A shingle is hashed once; the orders are maps h → a h + b modulo 2^32 of the upper half of its hash, a odd. Deviation: such
 * maps are not min-wise independent for a fixed set of numbers, but the numbers here are themselves hashes.
 */
public final class MinHash {
    private final int[] factors;
    private final int[] offsets;

    /** Signatures of {@code permutations} numbers; {@code seed} chooses the orders. */
    public MinHash(int permutations, long seed) {
        factors = new int[permutations];
        offsets = new int[permutations];
        for (int i = 0; i < permutations; i++) {
            long random = Scatter.stream(seed, i);
            factors[i] = (int) (random >>> 32) | 1;
            offsets[i] = (int) random;
        }
    }

    /** The signature of a set of shingles that is not empty. */
    public int[] signature(long[] shingles) {
        int[] least = new int[factors.length];
        Arrays.fill(least, Integer.MAX_VALUE);
        for (long shingle : shingles) {
            lower(least, (int) (shingle >>> 32), factors, offsets);
        }
        return least;
    }

    /** A loop of its own, over arrays of one length, which the compiler turns to vector instructions. */
    private static void lower(int[] least, int hash, int[] factors, int[] offsets) {
        for (int i = 0; i < least.length; i++) {
            least[i] = Math.min(least[i], hash * factors[i] + offsets[i]);
        }
    }
}
