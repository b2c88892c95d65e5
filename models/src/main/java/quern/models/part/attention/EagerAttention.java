package quern.models.part.attention;

import quern.models.part.ImplementationPart;
import quern.models.part.PartTechnique;
import quern.nn.AttentionImplementation;

/** The whole matrix of scores, by plain operators: the oracle of all other ways. */
public final class EagerAttention implements PartTechnique {
    @Override
    public String kind() {
        return ImplementationPart.KIND;
    }

    @Override
    public String id() {
        return "eager";
    }

    @Override
    public String summary() {
        return "The whole matrix of scores, by plain operators";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements ImplementationPart {
        @Override
        public AttentionImplementation implementation() {
            return AttentionImplementation.EAGER;
        }
    }
}
