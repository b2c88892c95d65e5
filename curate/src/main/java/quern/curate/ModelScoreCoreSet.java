package quern.curate;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.select.CoreSet;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A core set by what a model makes of each document: its perplexity (Marion et al. 2023, arXiv:2309.04564, who keep the middle),
 * its EL2N or its gradient's norm (Paul et al. 2021, arXiv:2107.07075, who keep the highest of a model trained briefly). A document
 * without a token to predict is kept last. Memory: 8 bytes a document.
 */
public final class ModelScoreCoreSet implements CoreSet {
    private static final int AT_ONCE = 64;

    /** Which documents stay. */
    public enum Keep {
        /** Those of the highest scores. */
        HIGHEST,
        /** Those of the lowest scores. */
        LOWEST,
        /** Those nearest to the median in rank. */
        MIDDLE
    }

    /**
     * @param model folder of a causal language model
     * @param measure what the score is
     * @param keep which documents stay
     * @param share of documents kept
     * @param maxLength tokens of a document that are read
     */
    public record Config(
            @Doc("The folder of a causal language model, or of a run.")
            Path model,

            @Doc("The score: perplexity, el2n or gradient_norm.")
            ModelScorer.Measure measure,

            @Doc("Which documents stay: those of the highest or lowest scores, or those in the middle.")
            Keep keep,

            @Doc("The share of documents kept.") @Default("0.5") @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("Tokens of a document that are read.") @Default("512") @Range(min = 2)
            int maxLength) {}

    @Override
    public String id() {
        return "model_score";
    }

    @Override
    public String summary() {
        return "keeps documents by their perplexity, EL2N or gradient norm under a model";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<Path> files(Record config) {
        return PerplexityFilter.modelFiles(((Config) config).model());
    }

    @Override
    public Decisions decide(Corpus corpus, Record config, Context context) {
        Config own = (Config) config;
        int wanted = CoreSet.count(corpus, own.share());
        double[] scores = new double[(int) corpus.count()];
        try (ModelScorer scorer = new ModelScorer(own.model(), own.measure(), own.maxLength());
                Corpus.Cursor pass = corpus.open()) {
            List<String> texts = new ArrayList<>();
            int index = 0;
            for (CorpusDocument document = pass.next(); document != null; document = pass.next()) {
                texts.add(document.text());
                if (texts.size() == AT_ONCE || index + texts.size() == scores.length) {
                    double[] some = scorer.score(texts);
                    System.arraycopy(some, 0, scores, index, some.length);
                    index += some.length;
                    texts.clear();
                    context.progress()
                            .accept("%s: %,d of %,d documents".formatted(scorer.name(), index, scores.length));
                }
            }
        }
        return CoreSet.keep(
                CoreSet.largest(keys(scores, own.keep()), wanted),
                "%s, %s".formatted(id(), own.measure()).toLowerCase(java.util.Locale.ROOT),
                Map.of("chosen", (long) wanted));
    }

    /** Keys of which the largest are kept. */
    static double[] keys(double[] scores, Keep keep) {
        double[] keys = scores.clone();
        if (keep == Keep.LOWEST) {
            Arrays.setAll(keys, i -> -scores[i]);
        } else if (keep == Keep.MIDDLE) {
            Integer[] order = new Integer[scores.length];
            Arrays.setAll(order, i -> i);
            Arrays.sort(order, (a, b) -> Double.compare(scores[a], scores[b]));
            int known =
                    (int) Arrays.stream(scores).filter(s -> !Double.isNaN(s)).count();
            for (int rank = 0; rank < order.length; rank++) {
                // NaN comes last in order.
                keys[order[rank]] = rank < known ? -Math.abs(rank - (known - 1) / 2.0) : Double.NaN;
            }
        }
        return keys;
    }
}
