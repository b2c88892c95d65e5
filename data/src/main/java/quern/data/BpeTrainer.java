package quern.data;

import java.util.List;
import quern.data.internal.ByteLevelBpe;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Byte-level byte-pair encoding (Sennrich, Haddow and Birch 2016; bytes and pre-tokens as in GPT-2, Radford et al.
 * 2019). Ids are the special tokens, then the 256 byte symbols by the code point of their printable form, then merges.
 * The most frequent pair merges first; of equal ones the smaller (left id, right id). Learning stops at {@code
 * vocab_size} or below {@code min_frequency}, so the vocabulary can come out smaller than asked.
 */
public final class BpeTrainer implements TokenizerTrainer {
    /** Names by which the token after a document is recognised among the special tokens, the most specific first. */
    static final List<String> END_OF_TEXT_NAMES =
            List.of("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eos|>", "[EOS]", "<|im_end|>");

    /**
     * @param vocabSize tokens to learn at most, special tokens and bytes included
     * @param minFrequency how often a pair must occur to become a token
     * @param specialTokens tokens that stand for themselves in the text
     */
    public record Config(
            @Doc("Tokens to learn at most, special tokens and the 256 bytes included.")
            @Default("2048")
            @Range(min = 256)
            int vocabSize,

            @Doc("How often a pair must occur to become a token.") @Default("2") @Range(min = 0)
            long minFrequency,

            @Doc("Tokens that stand for themselves in the text.") @Default("[\"<|endoftext|>\"]")
            List<String> specialTokens) {
        /** Refuses values that can not be met. */
        public Config {
            specialTokens = List.copyOf(specialTokens);
            TokenizerSettings.checkSpecial(specialTokens);
            int least = 256 + specialTokens.size();
            if (vocabSize < least) {
                throw new IllegalArgumentException("vocab_size: " + vocabSize + " is below " + least
                        + ", the 256 bytes and " + specialTokens.size() + " special tokens");
            }
            if (minFrequency < 0) {
                throw new IllegalArgumentException("min_frequency: " + minFrequency + " is below 0");
            }
        }

        /** A vocabulary of this size, pairs seen twice or more, one special token after each document. */
        public static Config of(int vocabSize) {
            return new Config(vocabSize, 2, List.of("<|endoftext|>"));
        }
    }

    @Override
    public String id() {
        return "bpe";
    }

    @Override
    public String summary() {
        return "byte-level byte-pair encoding with GPT-2's pre-tokens";
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
        return ByteLevelBpe.train(
                documents,
                own.vocabSize(),
                own.minFrequency(),
                own.specialTokens(),
                TokenizerSettings.endOfText(own.specialTokens()),
                threads);
    }
}
