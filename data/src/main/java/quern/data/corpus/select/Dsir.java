package quern.data.corpus.select;

import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Quarantine;
import quern.data.corpus.internal.ExampleTexts;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * Data selection with importance resampling (Xie et al. 2023, arXiv:2302.03169): keeps documents so that their words and pairs
 * of words are spread like those of target texts. Both the target and the corpus become a distribution over hashed n-grams;
 * a document's weight is the ratio of its likelihoods under the two; documents are drawn by weight without replacement, by the
 * largest of log weight plus Gumbel noise.
 *
 * <p>Each bucket counts one more than it holds, so that no ratio is infinite. Memory: 8 bytes a document.
 */
public final class Dsir implements CoreSet {
    /**
     * @param target files of texts to be like: {@code .txt} (a line each) or {@code .jsonl}
     * @param share of documents kept
     * @param buckets that n-grams are hashed into
     * @param ngrams words in an n-gram at most
     * @param seed of the draw
     */
    public record Config(
            @Doc("Files of texts to be like: .txt (a line each) or .jsonl.")
            List<Path> target,

            @Doc("The share of documents kept.") @Default("0.5") @Range(min = 0, max = 1, minExclusive = true)
            double share,

            @Doc("Buckets that n-grams are hashed into.") @Default("10000") @Range(min = 16, max = 16_777_216)
            int buckets,

            @Doc("Words in an n-gram at most.") @Default("2") @Range(min = 1, max = 5)
            int ngrams,

            @Doc("Seed of the draw.") @Default("0") long seed) {
        /** Refuses an empty list. */
        public Config {
            target = List.copyOf(target);
            if (target.isEmpty()) {
                throw new IllegalArgumentException("target: empty; name files of texts to be like");
            }
        }
    }

    @Override
    public String id() {
        return "dsir";
    }

    @Override
    public String summary() {
        return "keeps documents like target texts, by importance resampling over hashed n-grams (DSIR)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<Path> files(Record config) {
        return ((Config) config).target();
    }

    @Override
    public void quarantined(Record config, Quarantine quarantine) {
        ExampleTexts.quarantined(((Config) config).target(), quarantine);
    }

    @Override
    public Decisions decide(Corpus corpus, Record config, Context context) {
        Config own = (Config) config;
        int wanted = CoreSet.count(corpus, own.share());
        long[] target = new long[own.buckets()];
        List<String> texts = ExampleTexts.read(own.target());
        if (texts.isEmpty()) {
            throw QuernException.badInput("dsir: target: no text in %s; expected texts to be like", own.target());
        }
        texts.forEach(text -> add(target, text, own));
        long[] raw = new long[own.buckets()];
        try (Corpus.Cursor pass = corpus.open()) {
            for (CorpusDocument document = pass.next(); document != null; document = pass.next()) {
                add(raw, document.text(), own);
            }
        }
        double[] ratio = logRatio(target, raw);
        double[] keys = new double[(int) corpus.count()];
        try (Corpus.Cursor pass = corpus.open()) {
            int index = 0;
            for (CorpusDocument document = pass.next(); document != null; document = pass.next()) {
                keys[index] = weight(document.text(), ratio, own) + gumbel(own.seed(), index);
                index++;
            }
        }
        BitSet chosen = CoreSet.largest(keys, wanted);
        return CoreSet.keep(chosen, id(), Map.of("target_texts", (long) texts.size(), "chosen", (long) wanted));
    }

    private static void add(long[] counts, String text, Config config) {
        for (long hash : HashedCounts.hashes(text, config.ngrams())) {
            counts[HashedCounts.bucket(hash, counts.length)]++;
        }
    }

    /** The log of each bucket's probability in the target over that in the corpus. */
    static double[] logRatio(long[] target, long[] raw) {
        double targets = target.length;
        double raws = raw.length;
        for (int i = 0; i < target.length; i++) {
            targets += target[i];
            raws += raw[i];
        }
        double[] ratio = new double[target.length];
        for (int i = 0; i < ratio.length; i++) {
            ratio[i] = StrictMath.log((target[i] + 1) / targets) - StrictMath.log((raw[i] + 1) / raws);
        }
        return ratio;
    }

    /** The log of a text's importance weight. */
    private static double weight(String text, double[] ratio, Config config) {
        double sum = 0;
        for (long hash : HashedCounts.hashes(text, config.ngrams())) {
            sum += ratio[HashedCounts.bucket(hash, ratio.length)];
        }
        return sum;
    }

    private static double gumbel(long seed, long index) {
        // In (0, 1), so that both logarithms are finite.
        double unit = Math.clamp(Mix.unit(seed, index), 0x1p-54, 1 - 0x1p-53);
        return -StrictMath.log(-StrictMath.log(unit));
    }
}
