package quern.data;

import java.util.List;
import quern.data.internal.FramedRows;
import quern.data.internal.MaskedTokens;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Prediction of hidden tokens from both sides (Devlin et al. 2019, arXiv:1810.04805). Of the tokens of a row some are
 * chosen, anew in every epoch; most of those become the mask token, some another token, and some stay. Rows begin and end
 * with the tokenizer's {@code cls_token} and {@code sep_token} where it has both; with {@code packing} they are windows
 * over the concatenated documents, otherwise documents.
 */
public final class MaskedLm implements Objective {
    /** What tokens are chosen together. */
    public enum Masking {
        /** Every token for itself. */
        TOKEN,
        /** All tokens of a word (the whole-word models of BERT's authors, 2019); what each becomes is drawn for itself. */
        WHOLE_WORD,
        /**
         * Words in a row, their number geometric with p = 0.2 and at most 10, until the share is reached; all tokens of a span
         * become the same kind of thing (SpanBERT, Joshi et al. 2020, arXiv:1907.10529; its span boundary objective is not
         * part of this).
         */
        SPAN
    }

    /**
     * @param mlmProbability the share of tokens to predict
     * @param maskReplaceProb the share of those that become the mask token
     * @param randomReplaceProb the share of those that become any token; the rest stay as they are
     * @param masking what is chosen together
     */
    public record Config(
            @Doc("The share of tokens to predict.") @Default("0.15") @Range(min = 0, max = 1, minExclusive = true)
            double mlmProbability,

            @Doc("The share of those that become the mask token.") @Default("0.8") @Range(min = 0, max = 1)
            double maskReplaceProb,

            @Doc("The share of those that become any token; the rest stay.") @Default("0.1") @Range(min = 0, max = 1)
            double randomReplaceProb,

            @Doc("What is chosen together: token, whole_word, or span of words (SpanBERT).") @Default("token")
            Masking masking) {
        /** Refuses shares that are more than all together. */
        public Config {
            if (maskReplaceProb + randomReplaceProb > 1 + 1e-9) {
                throw new IllegalArgumentException(
                        "random_replace_prob: %s and mask_replace_prob %s are more than 1 together"
                                .formatted(randomReplaceProb, maskReplaceProb));
            }
        }

        /** The usual shares. */
        public static Config defaults() {
            return new Config(0.15, 0.8, 0.1, Masking.TOKEN);
        }
    }

    @Override
    public String id() {
        return "mlm";
    }

    @Override
    public String summary() {
        return "predict hidden tokens from both sides";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "masked_lm";
    }

    @Override
    public List<String> specialTokens() {
        return List.of("[PAD]", "[CLS]", "[SEP]", "[MASK]");
    }

    @Override
    public BatchSource source(Input input, Record config) {
        MaskedTokens masked = new MaskedTokens(input.tokenizer(), (Config) config, id());
        return new FramedRows(input, masked);
    }
}
