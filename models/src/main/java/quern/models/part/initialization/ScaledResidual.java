package quern.models.part.initialization;

import quern.models.Initialization;
import quern.models.part.Composition;
import quern.models.part.InitializationPart;
import quern.models.part.PartTechnique;

/** GPT-2's (Radford et al. 2019, section 2.3): one standard deviation, {@code initializer_range}, but the maps onto the residual
 * stream are drawn with it divided by the root of their number, two a block, so that the stream keeps its size with depth. */
public final class ScaledResidual implements PartTechnique {
    @Override
    public String kind() {
        return InitializationPart.KIND;
    }

    @Override
    public String id() {
        return "gpt2";
    }

    @Override
    public String summary() {
        return "The maps onto the residual stream smaller by the root of their number (GPT-2)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings beside the model's {@code initializer_range}. */
    public record Config() implements InitializationPart {
        @Override
        public Initialization matrix(Role role, long in, long out, Composition c) {
            double std = c.standardDeviation();
            return Initialization.normal(role == Role.RESIDUAL ? std / Math.sqrt(2.0 * c.numHiddenLayers()) : std);
        }
    }
}
