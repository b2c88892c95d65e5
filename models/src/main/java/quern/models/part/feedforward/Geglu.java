package quern.models.part.feedforward;

import quern.models.part.BlockSite;
import quern.models.part.FeedForwardPart;
import quern.models.part.PartTechnique;
import quern.nn.Activation;
import quern.nn.Branch;
import quern.recipe.Default;
import quern.recipe.Doc;

/** A gate with GELU (Shazeer 2020, arXiv:2002.05202). */
public final class Geglu implements PartTechnique {
    @Override
    public String kind() {
        return FeedForwardPart.KIND;
    }

    @Override
    public String id() {
        return "geglu";
    }

    @Override
    public String summary() {
        return "A gate with GELU (T5 1.1, Gemma)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param approximate how the normal distribution in it is computed
     */
    public record Config(
            @Doc("How the normal distribution in it is computed.") @Default("tanh")
            GeluApproximation approximate) implements FeedForwardPart {
        @Override
        public int defaultInnerWidth(int hiddenSize) {
            return Maps.gated(hiddenSize);
        }

        @Override
        public Branch branch(BlockSite site) {
            return Maps.of(site, true, headActivation());
        }

        @Override
        public Activation headActivation() {
            return approximate.activation();
        }
    }
}
