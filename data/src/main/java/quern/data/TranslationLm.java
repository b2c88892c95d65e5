package quern.data;

import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.data.internal.MaskedTokens;
import quern.data.internal.TranslatedPairs;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Translation language modelling (Lample and Conneau 2019, arXiv:1901.07291, section 3.3): prediction of hidden tokens in rows of
 * a text and its translation, so that a word may be guessed from the other language. A row is {@code cls_token}, the text,
 * {@code sep_token}, the translation, {@code sep_token}; {@code token_type_ids} tell the languages apart, the paper's language
 * embeddings, and {@code text_positions} begin at 0 again with the translation. The data is JSON lines with both under keys of
 * their own: {@code field} and {@code translation_field}.
 *
 * <p>Texts of one language each are mixed in by {@link MultiTask}, with this and {@link MaskedLm} as its tasks.
 *
 * <p>Deviation: the text always comes first, where the paper's program draws the order.
 */
public final class TranslationLm implements Objective {
    /**
     * @param translationField the key that holds the translation
     * @param mlmProbability the share of tokens to predict
     * @param masking what is chosen together
     */
    public record Config(
            @Doc("The key that holds the translation in each line of a .jsonl file.") @Default("translation")
            String translationField,

            @Doc("The share of tokens to predict.") @Default("0.15") @Range(min = 0, max = 1, minExclusive = true)
            double mlmProbability,

            @Doc("What is chosen together: token, whole_word, or span of words.") @Default("token")
            MaskedLm.Masking masking) {}

    @Override
    public String id() {
        return "tlm";
    }

    @Override
    public String summary() {
        return "predict hidden tokens of a text beside its translation (XLM)";
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

    /** All but splitting: pieces of a text and of its translation don't belong together. */
    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return EnumSet.complementOf(EnumSet.of(OnTooLong.SPLIT));
    }

    @Override
    public BatchSource source(Input input, Record config) {
        return pairs(input, (Config) config, false);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.of(pairs(input, (Config) config, true));
    }

    private BatchSource pairs(Input input, Config config, boolean validation) {
        TokenStream translations = PairedTexts.of(input, config.translationField(), validation, id());
        MaskedTokens masked = new MaskedTokens(
                input.tokenizer(), new MaskedLm.Config(config.mlmProbability(), 0.8, 0.1, config.masking()), id());
        return new TranslatedPairs(input, translations, masked, id());
    }
}
