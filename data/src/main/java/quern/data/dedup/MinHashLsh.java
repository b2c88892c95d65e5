package quern.data.dedup;

import java.util.Optional;
import quern.data.corpus.Deduplication;
import quern.data.dedup.internal.NearDuplicates;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Removes near-duplicates: documents whose sets of shingles have a Jaccard similarity of at least a threshold (Broder 1997,
 * "On the resemblance and containment of documents"). MinHash signatures cut into bands find candidates ({@link Bands}),
 * whose exact similarity decides; clusters are the connected components of the pairs that are similar enough, and one
 * document of each stays.
 *
 * <p>Documents with the same set of shingles count as one before bands are looked at. In a band's bucket, in the order of
 * the corpus, each document is compared with the first and with the {@value CandidatePairs#WINDOW} before it, so that a
 * bucket of n costs no more than n times that. Documents without a word (character) are nobody's duplicates.
 *
 * <p>Shingles and the keys of bands lie on disk: about 8 bytes a shingle, and 16 bytes a band and document. Memory is what
 * the context grants and 8 bytes a document.
 */
public final class MinHashLsh implements Deduplication {
    private static final int PERMUTATIONS = 128;
    private static final double RECALL = 0.98;
    private static final int WORDS = 5;
    private static final int CHARACTERS = 12;

    /**
     * @param threshold the least Jaccard similarity of duplicates
     * @param shingle what shingles are runs of
     * @param shingleSize how many of them
     * @param numPermutations numbers in a signature
     * @param recall the least probability that a pair at the threshold is found
     * @param bands bands of a signature
     * @param rows numbers in a band
     * @param seed chooses the orders of the signature
     * @param keep which document of a cluster stays
     * @param lowercase whether letters are compared in lower case
     * @param stripPunctuation whether punctuation and symbols do not count
     * @param unicode the normal form that texts are compared in
     */
    public record Config(
            @Doc("Documents are duplicates from this Jaccard similarity of their shingles on.")
            @Default("0.8")
            @Range(min = 0, max = 1, minExclusive = true)
            double threshold,

            @Doc("What shingles are runs of: word or character.") @Default("word")
            Shingles.Unit shingle,

            @Doc("Words or characters in a shingle; 5 words or 12 characters if not given.") @Range(min = 1, max = 1000)
            Optional<Integer> shingleSize,

            @Doc(
                    "The most numbers in a signature, which are split into bands so that recall holds and the fewest pairs are compared in vain; 128 if not given.")
            @Range(min = 1, max = 65536)
            Optional<Integer> numPermutations,

            @Doc("The least probability that a pair at the threshold is found; 0.98 if not given.")
            @Range(min = 0, max = 1, minExclusive = true, maxExclusive = true)
            Optional<Double> recall,

            @Doc("Bands of the signature, instead of a split that is computed; together with rows.")
            @Range(min = 1, max = 65536)
            Optional<Integer> bands,

            @Doc("Numbers in a band; together with bands.") @Range(min = 1, max = 65536)
            Optional<Integer> rows,

            @Doc("Chooses the random orders of the signature.") @Default("1")
            long seed,

            @Doc("Which document of a cluster stays.") @Default("longest")
            Keep keep,

            @Doc("Compare letters in lower case.") @Default("true")
            boolean lowercase,

            @Doc("Leave out punctuation and symbols when comparing.") @Default("true")
            boolean stripPunctuation,

            @Doc("The normal form of Unicode that texts are compared in.") @Default("nfc")
            UnicodeForm unicode) {
        /** Refuses settings that contradict each other. */
        public Config {
            if (bands.isPresent() != rows.isPresent()) {
                throw new IllegalArgumentException(
                        "%s: bands and rows are given together; give the other one too, or neither"
                                .formatted(bands.isPresent() ? "bands" : "rows"));
            }
            if (bands.isPresent() && numPermutations.isPresent()) {
                throw new IllegalArgumentException(
                        "num_permutations: bands and rows say it already; leave it out, or them");
            }
            if (bands.isPresent() && recall.isPresent()) {
                throw new IllegalArgumentException("recall: bands and rows decide it already; leave it out, or them");
            }
            if (bands.isPresent() && (long) bands.get() * rows.get() > 65536) {
                throw new IllegalArgumentException(
                        "bands: %d bands of %d rows need a signature of more than 65536 numbers"
                                .formatted(bands.get(), rows.get()));
            }
        }

        /** What the similarity is counted in. */
        public Shingles shingles() {
            return new Shingles(
                    shingle,
                    shingleSize.orElse(shingle == Shingles.Unit.WORD ? WORDS : CHARACTERS),
                    new Folding(lowercase, stripPunctuation, true, unicode));
        }

        /** What is computed of each document by itself. */
        public Sketch sketch() {
            return new Sketch(shingles(), split(), seed);
        }

        /** The split of the signature. */
        public Bands split() {
            return bands.isPresent()
                    ? new Bands(bands.get(), rows.get())
                    : Bands.forThreshold(threshold, numPermutations.orElse(PERMUTATIONS), recall.orElse(RECALL));
        }
    }

    @Override
    public String id() {
        return "minhash_lsh";
    }

    @Override
    public String summary() {
        return "remove near-duplicates by MinHash, bands and verified Jaccard similarity";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Decisions decide(Corpus corpus, Record config, Context context) {
        Config settings = (Config) config;
        return NearDuplicates.find(settings.sketch(), settings.threshold, settings.keep, id(), corpus, context);
    }
}
