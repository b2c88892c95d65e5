package quern.models.part.attention;

import quern.models.part.ImplementationPart;
import quern.models.part.PartTechnique;
import quern.nn.AttentionImplementation;

/** The fastest way that fits: hand-written blocks, all scores at once, or from some length on blocks of queries; on CUDA the fused kernel. */
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
        return "The fastest way for the length: all scores at once, or in blocks";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements ImplementationPart {
        @Override
        public AttentionImplementation implementation() {
            return AttentionImplementation.AUTO;
        }
    }
}
