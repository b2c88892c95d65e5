package quern.curate;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import quern.data.augment.RewriterTechnique;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Verdict;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.train.ModelFolder;

/**
 * Keeps documents whose perplexity under a model lies between bounds, as CCNet does with a model of good text (Wenzek et al.
 * 2020, arXiv:1911.00359): what is too unlikely is no such text, what is too likely repeats itself. The label {@code
 * perplexity} takes the number.
 */
public final class PerplexityFilter implements DocumentFilter {
    /**
     * @param model folder of a causal language model
     * @param min documents of less go
     * @param max documents of more go
     * @param maxLength tokens of a document that are read
     */
    public record Config(
            @Doc("The folder of a causal language model, or of a run.")
            Path model,

            @Doc("Documents of less go.") @Range(min = 1) Optional<Double> min,

            @Doc("Documents of more go.") @Range(min = 1) Optional<Double> max,

            @Doc("Tokens of a document that are read.") @Default("512") @Range(min = 2)
            int maxLength) {
        /** Refuses bounds that keep all, or none. */
        public Config {
            if (min.isEmpty() && max.isEmpty()) {
                throw new IllegalArgumentException("max: missing; give max, min or both");
            }
            if (min.isPresent() && max.isPresent() && min.get() > max.get()) {
                throw new IllegalArgumentException("min: %s is more than max, %s".formatted(min.get(), max.get()));
            }
        }
    }

    @Override
    public String id() {
        return "perplexity";
    }

    @Override
    public String summary() {
        return "keeps documents whose perplexity under a model lies between bounds";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<Path> files(Record config) {
        return modelFiles(((Config) config).model());
    }

    static List<Path> modelFiles(Path folder) {
        return RewriterTechnique.files(List.of(ModelFolder.find(folder).path()));
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        ModelScorer scorer = new ModelScorer(own.model(), ModelScorer.Measure.PERPLEXITY, own.maxLength());
        return new Judge() {
            @Override
            public Verdict judge(CorpusDocument document) {
                return PerplexityFilter.judge(document, scorer.score(List.of(document.text()))[0], own);
            }

            @Override
            public void close() {
                scorer.close();
            }
        };
    }

    private static Verdict judge(CorpusDocument document, double perplexity, Config config) {
        if (Double.isNaN(perplexity)) {
            return Verdict.drop("no_perplexity", "no token to predict");
        }
        if (config.max().isPresent() && perplexity > config.max().get()) {
            return Verdict.drop(
                    "high_perplexity",
                    "%s, above %s".formatted(shown(perplexity), config.max().get()));
        }
        if (config.min().isPresent() && perplexity < config.min().get()) {
            return Verdict.drop(
                    "low_perplexity",
                    "%s, below %s".formatted(shown(perplexity), config.min().get()));
        }
        return new Verdict.Replace(document.withLabel("perplexity", shown(perplexity)), Map.of());
    }

    private static String shown(double perplexity) {
        return String.format(Locale.ROOT, "%.4g", perplexity);
    }
}
