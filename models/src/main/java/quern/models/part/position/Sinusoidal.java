package quern.models.part.position;

import quern.models.part.Assembly;
import quern.models.part.PartTechnique;
import quern.models.part.PositionPart;
import quern.models.part.Stack;
import quern.nn.TokenEmbedding;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Sines and cosines of the position, added to the token vectors (Vaswani et al. 2017, arXiv:1706.03762, section 3.5). Token
 * vectors are multiplied by the root of their width first (section 3.4), so that they are not lost beside the sines. */
public final class Sinusoidal implements PartTechnique {
    @Override
    public String kind() {
        return PositionPart.KIND;
    }

    @Override
    public String id() {
        return "sinusoidal";
    }

    @Override
    public String summary() {
        return "Sines and cosines of the position, added to the token vectors (the first transformer)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param base of the geometric series of wavelengths
     * @param scaleEmbedding whether token vectors are multiplied by the root of their width
     */
    public record Config(
            @Doc("The base of the geometric series of wavelengths.")
            @Default("10000")
            @Range(min = 0, minExclusive = true)
            double base,

            @Doc("Multiply token vectors by the root of their width.") @Default("true")
            boolean scaleEmbedding)
            implements PositionPart {
        @Override
        public boolean onlyInVectors() {
            return true;
        }

        @Override
        public TokenEmbedding embedding(TokenEmbedding embedding, Stack stack, Assembly a) {
            TokenEmbedding scaled =
                    scaleEmbedding ? embedding.withFactor(Math.sqrt(a.config().hiddenSize())) : embedding;
            return scaled.withSinusoids(base);
        }
    }
}
