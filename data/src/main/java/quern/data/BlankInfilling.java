package quern.data;

import java.util.List;
import java.util.OptionalInt;
import quern.data.internal.BlankedRows;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * Autoregressive blank infilling (GLM, Du et al. 2022, arXiv:2103.10360, section 2.1). Spans are taken out of a text; a row is part
 * A, the text with one mask token for each span, seen whole, and then part B, the spans in drawn order, each behind a start token
 * and predicted from left to right up to an end token. A token has two positions: in {@code text_positions} its place in part A,
 * which for a span is that of its mask; in {@code block_positions} 0 in part A and 1, 2, … inside a span. So a model can't tell
 * from positions how long a span is.
 *
 * <p>In a share of rows, {@code document_probability}, there is one span of half of the text or more (section 2.2's
 * document-level task); otherwise spans are short. A model for it is {@code family: custom} with {@code structure: prefix_lm} and
 * {@code position: learned_2d}.
 *
 * <p>Deviation: an empty Poisson span is drawn again, as it would hide nothing.
 */
public final class BlankInfilling implements Objective {
    /** The token before a span. */
    public static final String START = "<|startofpiece|>";

    /** The token after a span. */
    public static final String END = "<|endofpiece|>";

    /**
     * @param noiseDensity the share of tokens in short spans
     * @param poissonLambda the mean of the Poisson distribution of their lengths
     * @param documentProbability the share of rows with one long span instead
     */
    public record Config(
            @Doc("The share of tokens taken out in short spans.")
            @Default("0.15")
            @Range(min = 0, max = 1, minExclusive = true, maxExclusive = true)
            double noiseDensity,

            @Doc("The mean of the Poisson distribution of short spans' lengths.")
            @Default("3")
            @Range(min = 0, max = 100, minExclusive = true)
            double poissonLambda,

            @Doc("The share of rows with one span of half of the text or more instead.")
            @Default("0")
            @Range(min = 0, max = 1)
            double documentProbability) {}

    @Override
    public String id() {
        return "blank_infilling";
    }

    @Override
    public String summary() {
        return "write spans taken out of a text behind it, with positions in two dimensions (GLM)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    @Override
    public List<String> specialTokens() {
        return List.of("<pad>", "<|endoftext|>", "[MASK]", START, END);
    }

    @Override
    public boolean givesPrefixes() {
        return true;
    }

    @Override
    public boolean givesBlockPositions() {
        return true;
    }

    @Override
    public BatchSource source(Input input, Record config) {
        Tokenizer tokenizer = input.tokenizer();
        OptionalInt mask = tokenizer.special(SpecialToken.MASK_TOKEN);
        if (mask.isEmpty() || !tokenizer.has(START) || !tokenizer.has(END)) {
            throw QuernException.badInput(
                    "objective: blank_infilling: the tokenizer lacks a mask_token, %s or %s; use a tokenizer with them, or train one without special_tokens of its own",
                    START, END);
        }
        return new BlankedRows(input, (Config) config, mask.getAsInt(), tokenizer.id(START), tokenizer.id(END));
    }
}
