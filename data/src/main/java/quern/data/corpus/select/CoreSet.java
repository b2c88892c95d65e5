package quern.data.corpus.select;

import java.util.BitSet;
import java.util.List;
import java.util.Map;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;
import quern.recipe.QuernException;

/** A technique of kind {@code core_set}: a stage that reads the whole corpus and keeps a share of its documents. */
public interface CoreSet extends Deduplication {
    @Override
    default String kind() {
        return "core_set";
    }

    /**
     * How many documents a share is: rounded, and one at least.
     *
     * @throws QuernException where the corpus is too large to hold a number a document
     */
    static int count(Corpus corpus, double share) {
        if (corpus.count() > Integer.MAX_VALUE - 8) {
            throw QuernException.badInput(
                    "core set: %,d documents are more than the %,d that can be chosen from; divide the corpus",
                    corpus.count(), Integer.MAX_VALUE - 8);
        }
        return (int) Math.clamp(Math.round(share * corpus.count()), Math.min(1, corpus.count()), corpus.count());
    }

    /** The {@code wanted} documents of the largest keys, of equal ones the first; NaN is smaller than all. */
    static BitSet largest(double[] keys, int wanted) {
        double[] sorted = new double[keys.length];
        for (int i = 0; i < keys.length; i++) {
            sorted[i] = Double.isNaN(keys[i]) ? Double.NEGATIVE_INFINITY : keys[i];
        }
        double[] ordered = sorted.clone();
        java.util.Arrays.sort(ordered);
        BitSet chosen = new BitSet(keys.length);
        if (wanted == 0) {
            return chosen;
        }
        double border = ordered[keys.length - wanted];
        for (int i = 0; i < keys.length; i++) {
            if (sorted[i] > border) {
                chosen.set(i);
            }
        }
        for (int i = 0, left = wanted - chosen.cardinality(); left > 0; i++) {
            if (sorted[i] == border) {
                chosen.set(i);
                left--;
            }
        }
        return chosen;
    }

    /** Keeps the chosen documents. */
    static Decisions keep(BitSet chosen, String rule, Map<String, Long> totals) {
        return new Decisions() {
            @Override
            public Verdict judge(long index, CorpusDocument document) {
                return chosen.get((int) index) ? Verdict.KEEP : Verdict.drop("not_chosen", "not chosen by " + rule);
            }

            @Override
            public Map<String, Long> totals() {
                return totals;
            }

            @Override
            public List<Cluster> examples() {
                return List.of();
            }

            @Override
            public void close() {
                // It holds bits alone.
            }
        };
    }
}
