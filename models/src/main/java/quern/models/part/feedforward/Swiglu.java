package quern.models.part.feedforward;

import quern.models.part.BlockSite;
import quern.models.part.FeedForwardPart;
import quern.models.part.PartTechnique;
import quern.nn.Activation;
import quern.nn.Branch;

/** A gate with SiLU (Shazeer 2020, arXiv:2002.05202). */
public final class Swiglu implements PartTechnique {
    @Override
    public String kind() {
        return FeedForwardPart.KIND;
    }

    @Override
    public String id() {
        return "swiglu";
    }

    @Override
    public String summary() {
        return "A gate with SiLU (Llama)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements FeedForwardPart {
        @Override
        public int defaultInnerWidth(int hiddenSize) {
            return Maps.gated(hiddenSize);
        }

        @Override
        public Branch branch(BlockSite site) {
            return Maps.of(site, true, Activation.SILU);
        }
    }
}
