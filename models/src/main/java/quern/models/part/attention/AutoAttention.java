package quern.models.part.attention;

import quern.models.part.BlockSite;
import quern.models.part.ImplementationPart;
import quern.models.part.PartTechnique;
import quern.nn.SelfAttention;

/** The fastest way that fits the block and the machine: hand-written kernels, or on CUDA the library's fused one. */
public final class AutoAttention implements PartTechnique {
    @Override
    public String kind() {
        return ImplementationPart.KIND;
    }

    @Override
    public String id() {
        return "auto";
    }

    @Override
    public String summary() {
        return "The fastest way that fits: hand-written blocks, or on CUDA the fused kernel";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements ImplementationPart {
        @Override
        public SelfAttention attention(SelfAttention attention, BlockSite site) {
            return attention;
        }
    }
}
