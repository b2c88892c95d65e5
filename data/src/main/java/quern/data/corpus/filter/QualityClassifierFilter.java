package quern.data.corpus.filter;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.Quarantine;
import quern.data.corpus.Verdict;
import quern.data.corpus.internal.ExampleTexts;
import quern.data.corpus.internal.LinearClassifier;
import quern.data.internal.Hash;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.DurableFiles;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * A linear classifier over hashed n-grams of words that tells good texts from bad ones, as GPT-3's filter did (Brown et al.
 * 2020, appendix A). It is trained here from examples of both, by logistic regression with FTRL-Proximal (McMahan et al.
 * 2013), and saved; the same examples and settings give the same file. The label {@code quality} takes the probability.
 *
 * <p>GPT-3 keeps some bad documents by chance; here the threshold decides alone.
 */
public final class QualityClassifierFilter implements DocumentFilter {
    private static final int LEAST_EXAMPLES = 2;

    /**
     * @param model the classifier's file, written after training
     * @param good files of examples; with none, and no bad ones, the model is read as it is
     * @param bad files of examples
     * @param threshold probability of being good, below which a document goes
     * @param ngrams words in an n-gram at most
     * @param bits of a bucket's number: 20 are a million buckets
     * @param epochs passes over the examples
     * @param learningRate alpha of the paper
     * @param l1 lambda 1 of the paper
     * @param l2 lambda 2 of the paper
     */
    public record Config(
            @Doc("The classifier's file; written after training.")
            Path model,

            @Doc("Files of good examples; without good and bad ones the model is read as it is.") @Default("[]")
            List<Path> good,

            @Doc("Files of bad examples.") @Default("[]") List<Path> bad,

            @Doc("Probability of being good, below which a document goes.") @Default("0.5") @Range(min = 0, max = 1)
            double threshold,

            @Doc("Words in an n-gram at most.") @Default("2") @Range(min = 1, max = 5)
            int ngrams,

            @Doc("Bits of a bucket's number.") @Default("20") @Range(min = 8, max = 24)
            int bits,

            @Doc("Passes over the examples.") @Default("5") @Range(min = 1, max = 1000)
            int epochs,

            @Doc("The rate, alpha of the paper.") @Default("0.5") @Range(min = 0, minExclusive = true)
            double learningRate,

            @Doc("Penalty on absolute weights.") @Default("0.0") @Range(min = 0)
            double l1,

            @Doc("Penalty on squared weights.") @Default("0.01") @Range(min = 0)
            double l2) {
        /** Refuses examples of one kind alone. */
        public Config {
            good = List.copyOf(good);
            bad = List.copyOf(bad);
            if (good.isEmpty() != bad.isEmpty()) {
                throw new IllegalArgumentException(
                        "%s: no examples are named, but of the other kind there are; name both, or none to read the model"
                                .formatted(good.isEmpty() ? "good" : "bad"));
            }
        }

        private LinearClassifier.Training training() {
            return new LinearClassifier.Training(ngrams, bits, epochs, learningRate, l1, l2);
        }
    }

    @Override
    public String id() {
        return "quality_classifier";
    }

    @Override
    public String summary() {
        return "keeps what a linear classifier, trained here on good and bad examples, takes for good";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<Path> files(Record config) {
        Config own = (Config) config;
        if (own.good().isEmpty()) {
            return List.of(own.model());
        }
        List<Path> files = new ArrayList<>(own.good());
        files.addAll(own.bad());
        return files;
    }

    @Override
    public void quarantined(Record config, Quarantine quarantine) {
        Config own = (Config) config;
        ExampleTexts.quarantined(own.good(), quarantine);
        ExampleTexts.quarantined(own.bad(), quarantine);
    }

    @Override
    public void check(Record config, Position place) {
        Config own = (Config) config;
        for (List<Path> examples : List.of(own.good(), own.bad())) {
            for (Path file : examples) {
                if (!Files.isRegularFile(file)) {
                    throw QuernException.badInput(
                            "%s: quality_classifier: %s: %s; name files of examples",
                            place, file, Files.exists(file) ? "not a regular file" : "no such file");
                }
                ExampleTexts.reader(file);
            }
        }
        if (own.good().isEmpty() && !Files.exists(own.model())) {
            throw QuernException.badInput(
                    "%s: quality_classifier: model: %s: no such file; name a classifier, or good and bad examples to train it on",
                    place, own.model());
        }
        // What is there is read, or would be replaced by what is trained: both want a classifier.
        if (Files.exists(own.model())) {
            LinearClassifier.load(own.model());
        }
    }

    @Override
    public Judge open(Record config) {
        Config own = (Config) config;
        LinearClassifier classifier = classifier(own);
        return document -> judge(document, own.threshold(), classifier);
    }

    private static LinearClassifier classifier(Config config) {
        if (config.good().isEmpty()) {
            return LinearClassifier.load(config.model());
        }
        Hash hash = new Hash().add(config.training());
        config.good().forEach(file -> hash.add(DurableFiles.sha256(file)));
        hash.add("bad");
        config.bad().forEach(file -> hash.add(DurableFiles.sha256(file)));
        String trainedOn = hash.hex();
        if (Files.exists(config.model())) {
            LinearClassifier saved = LinearClassifier.load(config.model());
            if (saved.trainedOn().equals(trainedOn)) {
                return saved;
            }
        }
        LinearClassifier trained = LinearClassifier.train(
                examples("good", config.good()), examples("bad", config.bad()), config.training(), trainedOn);
        trained.save(config.model());
        return trained;
    }

    private static List<String> examples(String kind, List<Path> files) {
        List<String> texts = ExampleTexts.read(files);
        if (texts.size() < LEAST_EXAMPLES) {
            throw QuernException.badInput(
                    "quality_classifier: %s: %d examples in %s; expected %d or more",
                    kind, texts.size(), files, LEAST_EXAMPLES);
        }
        return texts;
    }

    private static Verdict judge(CorpusDocument document, double threshold, LinearClassifier classifier) {
        double probability = classifier.probability(document.text());
        String shown = String.format(Locale.ROOT, "%.4f", probability);
        if (probability < threshold) {
            return Verdict.drop("low_quality", "%s, below %s".formatted(shown, threshold));
        }
        return new Verdict.Replace(document.withLabel("quality", shown), java.util.Map.of());
    }
}
