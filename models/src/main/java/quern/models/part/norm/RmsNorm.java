package quern.models.part.norm;

import quern.models.Weights;
import quern.models.part.NormPart;
import quern.models.part.PartTechnique;
import quern.nn.Norm;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467). */
public final class RmsNorm implements PartTechnique {
    @Override
    public String kind() {
        return NormPart.KIND;
    }

    @Override
    public String id() {
        return "rms_norm";
    }

    @Override
    public String summary() {
        return "Root-mean-square normalisation";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param eps added to the mean square
     */
    public record Config(
            @Doc("Added to the mean square.") @Default("1e-6") @Range(min = 0, minExclusive = true)
            double eps) implements NormPart {
        @Override
        public Norm norm(Weights weights, String name, long width) {
            return weights.rmsNorm(name, width, eps);
        }
    }
}
