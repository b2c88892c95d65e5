package quern.models.part.feedforward;

import quern.models.part.BlockSite;
import quern.models.part.FeedForwardPart;
import quern.models.part.PartTechnique;
import quern.nn.Activation;
import quern.nn.Branch;
import quern.recipe.Default;
import quern.recipe.Doc;

/** GELU between two maps (Hendrycks and Gimpel 2016, arXiv:1606.08415). */
public final class Gelu implements PartTechnique {
    @Override
    public String kind() {
        return FeedForwardPart.KIND;
    }

    @Override
    public String id() {
        return "gelu";
    }

    @Override
    public String summary() {
        return "GELU between two maps (GPT-2, BERT)";
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
            return Maps.fourfold(hiddenSize);
        }

        @Override
        public Branch branch(BlockSite site) {
            return Maps.of(site, false, headActivation());
        }

        @Override
        public Activation headActivation() {
            return approximate.activation();
        }
    }
}
