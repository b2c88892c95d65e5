package quern.models.part.feedforward;

import quern.models.part.BlockSite;
import quern.models.part.FeedForwardPart;
import quern.models.part.PartTechnique;
import quern.nn.Activation;
import quern.nn.Branch;

/** The square of ReLU between two maps (So et al. 2021, arXiv:2109.08668). */
public final class SquaredRelu implements PartTechnique {
    @Override
    public String kind() {
        return FeedForwardPart.KIND;
    }

    @Override
    public String id() {
        return "relu2";
    }

    @Override
    public String summary() {
        return "The square of ReLU between two maps (Primer)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements FeedForwardPart {
        @Override
        public int defaultInnerWidth(int hiddenSize) {
            return Maps.fourfold(hiddenSize);
        }

        @Override
        public Branch branch(BlockSite site) {
            return Maps.of(site, false, Activation.RELU_SQUARED);
        }
    }
}
