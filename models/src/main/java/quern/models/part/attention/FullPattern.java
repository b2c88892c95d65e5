package quern.models.part.attention;

import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.PatternPart;
import quern.nn.Mask;
import quern.nn.SelfAttention;

/** Every key that the structure lets a query see. */
public final class FullPattern implements PartTechnique {
    @Override
    public String kind() {
        return PatternPart.KIND;
    }

    @Override
    public String id() {
        return "full";
    }

    @Override
    public String summary() {
        return "Every key that the structure lets a query see";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements PatternPart {
        @Override
        public Mask mask(Mask full, Composition c) {
            return full;
        }

        @Override
        public SelfAttention attention(SelfAttention attention, String name, BlockSite site) {
            return attention.withMask(name);
        }
    }
}
