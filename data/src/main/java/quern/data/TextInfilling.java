package quern.data;

import java.util.List;
import quern.data.internal.InfilledText;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * BART's denoising (Lewis et al. 2020, arXiv:1910.13461): spans of a row, whose lengths are Poisson numbers, are each
 * replaced by one mask token (a span of length 0 puts one in), and the decoder is to write the whole row. Rows begin and
 * end with the tokenizer's {@code cls_token} and {@code sep_token} where it has both, otherwise they end with its
 * end-of-text token. With {@code packing} they are windows over the concatenated documents, otherwise documents.
 *
 * <p>Deviation: masks are never side by side, and no more of them are put in than tokens are hidden, so that a source is no
 * longer than its text.
 */
public final class TextInfilling extends Denoising {
    /**
     * @param maskRatio the share of tokens hidden
     * @param poissonLambda the mean length of a span
     */
    public record Config(
            @Doc("The share of tokens hidden.") @Default("0.3") @Range(min = 0, max = 1, minExclusive = true)
            double maskRatio,

            @Doc("The mean length of a span.") @Default("3") @Range(min = 0, minExclusive = true, max = 100)
            double poissonLambda) {}

    @Override
    public String id() {
        return "text_infilling";
    }

    @Override
    public String summary() {
        return "write a text whose spans are hidden (BART)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public List<String> specialTokens() {
        return List.of("<pad>", "<|endoftext|>", "<mask>");
    }

    @Override
    Noise noise(Input input, Record config) {
        int mask = input.tokenizer()
                .special(SpecialToken.MASK_TOKEN)
                .orElseThrow(
                        () -> QuernException.badInput(
                                "objective: text_infilling: the tokenizer has no mask_token; use a tokenizer with one, or train one without special_tokens of its own"));
        return new InfilledText((Config) config, mask)::hidden;
    }
}
