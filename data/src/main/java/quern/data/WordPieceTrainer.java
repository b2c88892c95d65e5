package quern.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.data.internal.WordPieces;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * WordPiece (Schuster and Nakajima 2012; as in BERT, Devlin et al. 2019), learned as the {@code tokenizers} library does it:
 * the most frequent pair merges first, of equal ones the smaller (left id, right id), where the original takes the pair
 * that raises the likelihood most. Pieces inside a word begin with {@code ##}. Encoding takes the longest piece that fits.
 * Ids are the special tokens, the characters by code point, the characters inside words by code point, then merges.
 */
public final class WordPieceTrainer implements TokenizerTrainer {
    /**
     * @param vocabSize tokens to learn at most, special tokens and characters included
     * @param minFrequency how often a pair must occur to become a token
     * @param specialTokens tokens that stand for themselves in the text
     * @param unkToken the token for words that can't be spelled; first of the special tokens unless it is listed
     * @param lowercase letters are lowered
     * @param stripAccents accents are taken off letters; as {@code lowercase} unless given
     * @param cleanText control characters are dropped
     * @param handleChineseChars each Chinese character is a word
     */
    public record Config(
            @Doc("Tokens to learn at most, special tokens and characters included.") @Default("2048") @Range(min = 1)
            int vocabSize,

            @Doc("How often a pair must occur to become a token.") @Default("2") @Range(min = 0)
            long minFrequency,

            @Doc("Tokens that stand for themselves in the text.")
            @Default("[\"[PAD]\", \"[UNK]\", \"[CLS]\", \"[SEP]\", \"[MASK]\"]")
            List<String> specialTokens,

            @Doc("The token for words that can't be spelled.") @Default("[UNK]")
            String unkToken,

            @Doc("Letters are lowered.") @Default("true") boolean lowercase,

            @Doc("Accents are taken off letters; as lowercase unless given.")
            Optional<Boolean> stripAccents,

            @Doc("Control characters are dropped.") @Default("true")
            boolean cleanText,

            @Doc("Each Chinese character is a word.") @Default("true")
            boolean handleChineseChars) {
        /** Refuses values that can not be met. */
        public Config {
            specialTokens = TokenizerSettings.withUnknown(specialTokens, unkToken);
            TokenizerSettings.check(vocabSize, minFrequency, specialTokens);
        }

        /** Lower case, BERT's special tokens, pairs seen twice or more. */
        public static Config of(int vocabSize) {
            return new Config(
                    vocabSize,
                    2,
                    List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
                    "[UNK]",
                    true,
                    Optional.empty(),
                    true,
                    true);
        }

        private WordPieces.Text text() {
            return new WordPieces.Text(cleanText, handleChineseChars, stripAccents.orElse(lowercase), lowercase);
        }
    }

    @Override
    public String id() {
        return "wordpiece";
    }

    @Override
    public String summary() {
        return "WordPiece with BERT's normaliser and pre-tokenizer";
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
        List<String> vocabulary = WordPieces.train(
                documents, own.text(), own.vocabSize(), own.minFrequency(), own.specialTokens(), threads);
        return new TokenizerJson(
                new ArrayList<>(vocabulary),
                List.of(),
                own.specialTokens(),
                TokenizerSettings.endOfText(own.specialTokens()),
                Optional.of(own.unkToken()),
                WordPieces.parts(own.text(), own.unkToken()));
    }
}
