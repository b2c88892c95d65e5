package quern.data;

import java.util.List;
import java.util.Optional;
import quern.data.internal.UnigramVocabulary;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The unigram language model of subwords (Kudo 2018, "Subword Regularization"), after Unicode's form NFKC, blanks written as
 * U+2581 with one in front of each text, and words kept apart. Ids are the special tokens, then pieces, the likeliest first;
 * every character of the text is a piece.
 *
 * <p>Deviations from the paper are those of the {@code tokenizers} library: pieces stay within words, a maximisation step with
 * digamma in place of the logarithm, and seeds judged by the number of distinct words that hold them.
 */
public final class UnigramTrainer implements TokenizerTrainer {
    /**
     * @param vocabSize pieces and special tokens together
     * @param specialTokens tokens that stand for themselves in the text
     * @param unkToken the token for characters that the training text lacks; first of the special tokens unless it is listed
     * @param shrinkingFactor the share of the pieces that stays in each turn
     * @param nSubIterations expectation and maximisation in each turn
     * @param maxPieceLength characters in a piece at most
     * @param seedSize pieces to start from at most
     */
    public record Config(
            @Doc("Pieces and special tokens together.") @Default("2048") @Range(min = 1)
            int vocabSize,

            @Doc("Tokens that stand for themselves in the text.") @Default("[\"<unk>\", \"<s>\", \"</s>\", \"<pad>\"]")
            List<String> specialTokens,

            @Doc("The token for characters that the training text lacks.") @Default("<unk>")
            String unkToken,

            @Doc("The share of the pieces that stays in each turn.")
            @Default("0.75")
            @Range(min = 0, max = 1, minExclusive = true, maxExclusive = true)
            double shrinkingFactor,

            @Doc("Expectation and maximisation in each turn.") @Default("2") @Range(min = 1, max = 100)
            int nSubIterations,

            @Doc("Characters in a piece at most.") @Default("16") @Range(min = 1, max = 31)
            int maxPieceLength,

            @Doc("Pieces to start from at most.") @Default("1000000") @Range(min = 1)
            int seedSize) {
        /** Refuses values that can not be met. */
        public Config {
            specialTokens = TokenizerSettings.withUnknown(specialTokens, unkToken);
            TokenizerSettings.check(vocabSize, 0, specialTokens);
        }

        /** The usual settings. */
        public static Config of(int vocabSize) {
            return of(vocabSize, List.of("<unk>", "<s>", "</s>", "<pad>"));
        }

        /** The usual settings with these special tokens. */
        public static Config of(int vocabSize, List<String> specialTokens) {
            return new Config(vocabSize, specialTokens, "<unk>", 0.75, 2, 16, 1_000_000);
        }
    }

    @Override
    public String id() {
        return "unigram";
    }

    @Override
    public String summary() {
        return "unigram language model of pieces, as SentencePiece has it";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<String> usualSpecialTokens() {
        return Config.of(Integer.MAX_VALUE).specialTokens();
    }

    @Override
    public TokenizerJson train(Iterable<String> documents, Record config, int threads) {
        Config own = (Config) config;
        UnigramVocabulary.Learned learned = UnigramVocabulary.train(
                documents,
                new UnigramVocabulary.Settings(
                        own.vocabSize(),
                        own.specialTokens(),
                        own.shrinkingFactor(),
                        own.nSubIterations(),
                        own.maxPieceLength(),
                        own.seedSize()),
                threads);
        return new TokenizerJson(
                learned.tokens(),
                List.of(),
                own.specialTokens(),
                TokenizerSettings.endOfText(own.specialTokens()),
                Optional.of(own.unkToken()),
                UnigramVocabulary.parts(own.specialTokens().indexOf(own.unkToken())),
                learned.scores());
    }
}
