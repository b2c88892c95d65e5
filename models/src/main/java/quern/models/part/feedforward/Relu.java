package quern.models.part.feedforward;

import quern.models.part.BlockSite;
import quern.models.part.FeedForwardPart;
import quern.models.part.PartTechnique;
import quern.nn.Activation;
import quern.nn.Branch;

/** ReLU between two maps (Vaswani et al. 2017, arXiv:1706.03762). */
public final class Relu implements PartTechnique {
    @Override
    public String kind() {
        return FeedForwardPart.KIND;
    }

    @Override
    public String id() {
        return "relu";
    }

    @Override
    public String summary() {
        return "ReLU between two maps (the first transformer)";
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
            return Maps.of(site, false, Activation.RELU);
        }
    }
}
