package quern.models.part.initialization;

import quern.models.Initialization;
import quern.models.part.Composition;
import quern.models.part.InitializationPart;
import quern.models.part.PartTechnique;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Maximal update parametrization (Yang et al. 2022, arXiv:2203.03466, table 8): hidden maps have the variance 1/fan-in, token
 * vectors and the head {@code initializer_range} at every width, scores are multiplied by one over the width of a head, logits by
 * {@code base_width / hidden_size}. Adam's rate for hidden maps falls by the same factor, so that a rate found at the base width
 * holds at larger ones. */
public final class MaximalUpdate implements PartTechnique {
    @Override
    public String kind() {
        return InitializationPart.KIND;
    }

    @Override
    public String id() {
        return "mup";
    }

    @Override
    public String summary() {
        return "muP: rates found at a base width hold at larger ones";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param baseWidth the {@code hidden_size} at which rates are found
     */
    public record Config(
            @Doc("The hidden_size at which rates are found.") @Default("128") @Range(min = 1)
            int baseWidth) implements InitializationPart {
        @Override
        public Initialization matrix(Role role, long in, long out, Composition c) {
            return Initialization.normal(
                    switch (role) {
                        case TOKENS, POSITIONS, DISTANCES, HEAD -> c.standardDeviation();
                        case QUERY, KEY, VALUE, INNER, RESIDUAL, OTHER -> 1 / Math.sqrt(in);
                    });
        }

        @Override
        public double attentionScale(int headWidth, Composition c) {
            return 1.0 / headWidth;
        }

        @Override
        public double logitFactor(Composition c) {
            return (double) baseWidth / c.hiddenSize();
        }

        @Override
        public double learningRateFactor(Role role, Composition c) {
            return switch (role) {
                case TOKENS, POSITIONS, DISTANCES, HEAD -> 1;
                case QUERY, KEY, VALUE, INNER, RESIDUAL, OTHER -> (double) baseWidth / c.hiddenSize();
            };
        }
    }
}
