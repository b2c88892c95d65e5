package quern.models.part.norm;

import quern.models.Weights;
import quern.models.part.NormPart;
import quern.models.part.PartTechnique;
import quern.nn.Norm;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Layer normalisation (Ba et al. 2016, arXiv:1607.06450). */
public final class LayerNorm implements PartTechnique {
    @Override
    public String kind() {
        return NormPart.KIND;
    }

    @Override
    public String id() {
        return "layer_norm";
    }

    @Override
    public String summary() {
        return "Layer normalisation, with or without bias";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param eps added to the variance
     * @param bias whether a bias is added
     */
    public record Config(
            @Doc("Added to the variance.") @Default("1e-5") @Range(min = 0, minExclusive = true)
            double eps,

            @Doc("Whether a bias is added.") @Default("true")
            boolean bias)
            implements NormPart {
        @Override
        public Norm norm(Weights weights, String name, long width) {
            return bias ? weights.layerNorm(name, width, eps) : weights.layerNormWithoutBias(name, width, eps);
        }
    }
}
