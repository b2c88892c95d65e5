package quern.data.corpus.select;

import java.util.BitSet;
import java.util.Map;
import quern.data.corpus.CorpusDocument;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * The k-centre core set (Sener and Savarese 2018, arXiv:1708.00489): documents such that none of the corpus is far from all of
 * them. Greedy farthest-first traversal (Gonzalez 1985) takes, from a first one that the seed draws, always the document that
 * is farthest from those taken; the largest distance left is at most twice the least possible.
 *
 * <p>A document is a vector of length 1: the logarithms of its words' counts, hashed with signs into {@code dimensions}
 * (Weinberger et al. 2009). Memory: 4 bytes a document and dimension; time: documents times the chosen times dimensions.
 */
public final class KCentre implements CoreSet {
    /**
     * @param share of documents kept
     * @param dimensions of a document's vector
     * @param seed draws the first document
     */
    public record Config(
            @Doc("The share of documents kept.") @Default("0.1") @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("Dimensions of a document's vector.") @Default("128") @Range(min = 8, max = 4096)
            int dimensions,

            @Doc("Draws the first document.") @Default("0") long seed) {}

    @Override
    public String id() {
        return "k_centre";
    }

    @Override
    public String summary() {
        return "keeps documents so that none is far from all of them (greedy k-centre over hashed words)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Decisions decide(Corpus corpus, Record config, Context context) {
        Config own = (Config) config;
        int wanted = CoreSet.count(corpus, own.share());
        long bytes = corpus.count() * own.dimensions() * Float.BYTES;
        if (bytes > context.memoryBytes()) {
            throw QuernException.badInput(
                    "k_centre: %,d documents of %d dimensions take %,d MB, but %,d MB may be held; lower dimensions, filter before, or give more memory",
                    corpus.count(), own.dimensions(), bytes / 1_000_000, context.memoryBytes() / 1_000_000);
        }
        float[][] vectors = new float[(int) corpus.count()][];
        try (Corpus.Cursor pass = corpus.open()) {
            int index = 0;
            for (CorpusDocument document = pass.next(); document != null; document = pass.next()) {
                vectors[index++] = vector(document.text(), own.dimensions());
            }
        }
        int first = (int) Mix.below(own.seed(), 0, Math.max(1, vectors.length));
        BitSet chosen = choose(vectors, wanted, first);
        return CoreSet.keep(chosen, id(), Map.of("chosen", (long) wanted));
    }

    private static float[] vector(String text, int dimensions) {
        java.util.TreeMap<Long, Integer> counts = new java.util.TreeMap<>();
        for (long hash : HashedCounts.hashes(text, 1)) {
            counts.merge(hash, 1, Integer::sum);
        }
        double[] sums = new double[dimensions];
        counts.forEach((hash, count) -> sums[HashedCounts.bucket(hash, dimensions)] +=
                (hash & 1) == 0 ? StrictMath.log1p(count) : -StrictMath.log1p(count));
        double squares = 0;
        for (double sum : sums) {
            squares += sum * sum;
        }
        float[] vector = new float[dimensions];
        for (int i = 0; i < dimensions; i++) {
            vector[i] = squares == 0 ? 0 : (float) (sums[i] / Math.sqrt(squares));
        }
        return vector;
    }

    /**
     * Farthest-first traversal by Euclidean distance; of equally far points the first.
     *
     * @param points of one size each
     * @param wanted how many to take, at most as many as there are
     * @param first the one taken first
     */
    public static BitSet choose(float[][] points, int wanted, int first) {
        BitSet chosen = new BitSet(points.length);
        double[] nearest = new double[points.length];
        java.util.Arrays.fill(nearest, Double.POSITIVE_INFINITY);
        int next = first;
        for (int taken = 0; taken < wanted; taken++) {
            chosen.set(next);
            int farthest = -1;
            for (int i = 0; i < points.length; i++) {
                nearest[i] = Math.min(nearest[i], squaredDistance(points[i], points[next]));
                if (!chosen.get(i) && (farthest < 0 || nearest[i] > nearest[farthest])) {
                    farthest = i;
                }
            }
            next = farthest;
        }
        return chosen;
    }

    private static double squaredDistance(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            double difference = (double) a[i] - b[i];
            sum += difference * difference;
        }
        return sum;
    }
}
