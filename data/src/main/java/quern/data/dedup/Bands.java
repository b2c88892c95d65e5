package quern.data.dedup;

import java.io.Serializable;
import quern.recipe.QuernException;

/**
 * How a signature is cut to find candidates: two texts are compared when all {@code rows} numbers of at least one of
 * {@code bands} bands agree (Indyk and Motwani 1998; Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets",
 * section 3.4). Texts of similarity s become candidates with probability 1 - (1 - s^rows)^bands.
 *
 * @param bands how many bands
 * @param rows numbers of the signature in each
 */
public record Bands(int bands, int rows) implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final int STEPS = 1000;

    /** The probability that two texts of this similarity become candidates. */
    public double probability(double similarity) {
        return 1 - Math.pow(1 - Math.pow(similarity, rows), bands);
    }

    /** How many numbers of a signature are used. */
    public int permutations() {
        return bands * rows;
    }

    /**
     * The split of at most {@code permutations} numbers that errs least: the area under the probability below the
     * threshold (pairs compared in vain) plus the area above it where the probability is missing (pairs never seen),
     * among the splits that make a pair at the threshold itself a candidate with probability {@code recall} or more.
     *
     * @throws QuernException bad input when no split does that
     */
    public static Bands forThreshold(double threshold, int permutations, double recall) {
        Bands best = null;
        double least = Double.POSITIVE_INFINITY;
        for (int rows = 1; rows <= permutations; rows++) {
            Bands split = new Bands(permutations / rows, rows);
            if (split.probability(threshold) < recall) {
                continue;
            }
            double area = split.area(threshold);
            if (area < least) {
                least = area;
                best = split;
            }
        }
        if (best == null) {
            throw QuernException.badInput(
                    "minhash_lsh: with num_permutations %d no split into bands finds a pair of similarity %s with probability %s; raise num_permutations or lower recall",
                    permutations, threshold, recall);
        }
        return best;
    }

    /** False positives below the threshold and false negatives above it, by the trapezoidal rule. */
    private double area(double threshold) {
        double below = 0;
        double above = 0;
        for (int i = 0; i <= STEPS; i++) {
            double weight = i == 0 || i == STEPS ? 0.5 : 1;
            double share = (double) i / STEPS;
            below += weight * probability(threshold * share);
            above += weight * (1 - probability(threshold + (1 - threshold) * share));
        }
        return (below * threshold + above * (1 - threshold)) / STEPS;
    }

    /** The keys of a signature's bands: equal only if band and numbers are, up to chance (64 bits). */
    public long[] keys(int[] signature) {
        long[] keys = new long[bands];
        for (int band = 0; band < bands; band++) {
            long key = Scatter.stream(rows, band);
            for (int row = 0; row < rows; row++) {
                key = Scatter.mix(key + signature[band * rows + row]);
            }
            keys[band] = key;
        }
        return keys;
    }
}
