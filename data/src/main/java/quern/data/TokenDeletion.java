package quern.data;

import java.util.stream.IntStream;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Token deletion, BART's second noise (Lewis et al. 2020, arXiv:1910.13461, section 2.2): tokens of a row are taken out
 * without a trace, and the decoder is to write the whole row, so the model has to find where something is missing. Rows are
 * those of {@link TextInfilling}.
 */
public final class TokenDeletion extends Denoising {
    /**
     * @param deletionProbability the share of tokens taken out, each for itself
     */
    public record Config(
            @Doc("The share of tokens taken out.")
            @Default("0.15")
            @Range(min = 0, max = 1, minExclusive = true, maxExclusive = true)
            double deletionProbability) {}

    @Override
    public String id() {
        return "token_deletion";
    }

    @Override
    public String summary() {
        return "write a text of which tokens are missing (BART)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    Noise noise(Input input, Record config) {
        double share = ((Config) config).deletionProbability();
        return (text, key) -> IntStream.range(0, text.length)
                .filter(i -> Mix.unit(key, i) >= share)
                .map(i -> text[i])
                .toArray();
    }
}
