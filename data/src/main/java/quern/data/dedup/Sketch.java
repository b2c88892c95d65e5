package quern.data.dedup;

import java.io.Serializable;

/**
 * What is computed of each document by itself to find its near-duplicates.
 *
 * @param shingles what the similarity is counted in
 * @param bands how signatures are cut
 * @param seed chooses the orders of the signature
 */
public record Sketch(Shingles shingles, Bands bands, long seed) implements Serializable {
    private static final long serialVersionUID = 1L;

    /** A reader of texts, for one thread. */
    public Reader reader() {
        return new Reader(this);
    }

    /**
     * A text's shingles, their identity as a set, and the keys of its bands.
     *
     * @param shingles in ascending order
     * @param identity equal for equal sets, up to chance (128 bits)
     * @param keys of the bands, in their order; none where there are no shingles
     */
    public record Document(long[] shingles, TextHash identity, long[] keys) {
        /** Whether it can be somebody's duplicate. */
        public boolean compared() {
            return shingles.length > 0;
        }
    }

    /** Sketches texts. */
    public static final class Reader {
        private static final long[] NONE = {};

        private final Shingles.Reader shingles;
        private final MinHash minHash;
        private final Bands bands;

        private Reader(Sketch sketch) {
            shingles = sketch.shingles.reader();
            minHash = new MinHash(sketch.bands.permutations(), sketch.seed);
            bands = sketch.bands;
        }

        /** The sketch of a text. */
        public Document of(String text) {
            long[] set = shingles.of(text);
            long[] keys = set.length == 0 ? NONE : bands.keys(minHash.signature(set));
            return new Document(set, TextHash.ofSet(set), keys);
        }
    }
}
