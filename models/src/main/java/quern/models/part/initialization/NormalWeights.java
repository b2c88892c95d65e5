package quern.models.part.initialization;

import quern.models.Initialization;
import quern.models.part.Composition;
import quern.models.part.InitializationPart;
import quern.models.part.PartTechnique;

/** All matrices with the standard deviation {@code initializer_range}, as BERT and Llama are made. */
public final class NormalWeights implements PartTechnique {
    @Override
    public String kind() {
        return InitializationPart.KIND;
    }

    @Override
    public String id() {
        return "normal";
    }

    @Override
    public String summary() {
        return "All matrices with one standard deviation (BERT, Llama)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings beside the model's {@code initializer_range}. */
    public record Config() implements InitializationPart {
        @Override
        public Initialization matrix(Role role, long in, long out, Composition c) {
            return Initialization.normal(c.standardDeviation());
        }
    }
}
