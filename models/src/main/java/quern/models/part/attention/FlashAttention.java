package quern.models.part.attention;

import quern.models.part.ImplementationPart;
import quern.models.part.PartTechnique;
import quern.nn.AttentionImplementation;

/** Exact attention in blocks of queries (Dao et al. 2022, arXiv:2205.14135), whose memory grows with the length and not with its
 * square; blocks of keys that a pattern hides are left out. On CUDA libtorch's fused kernel where it can serve. */
public final class FlashAttention implements PartTechnique {
    @Override
    public String kind() {
        return ImplementationPart.KIND;
    }

    @Override
    public String id() {
        return "flash";
    }

    @Override
    public String summary() {
        return "Exact attention in blocks of queries, without the matrix of scores";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements ImplementationPart {
        @Override
        public AttentionImplementation implementation() {
            return AttentionImplementation.FLASH;
        }
    }
}
