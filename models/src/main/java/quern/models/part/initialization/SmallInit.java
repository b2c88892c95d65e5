package quern.models.part.initialization;

import quern.models.Initialization;
import quern.models.part.Composition;
import quern.models.part.InitializationPart;
import quern.models.part.PartTechnique;

/** SmallInit (Nguyen and Salazar 2019, arXiv:1910.05895, section 2.2): all matrices are drawn with the standard deviation {@code
 * sqrt(2 / (5 · hidden_size))}, that of Xavier's rule for the feed-forward part of a transformer with four times the width. */
public final class SmallInit implements PartTechnique {
    @Override
    public String kind() {
        return InitializationPart.KIND;
    }

    @Override
    public String id() {
        return "small_init";
    }

    @Override
    public String summary() {
        return "All matrices with the root of 2/(5 hidden_size) (Nguyen and Salazar)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements InitializationPart {
        @Override
        public void check(Composition c) {
            InitializationPart.refuseInitializerRange("small_init", c);
        }

        @Override
        public Initialization matrix(Role role, long in, long out, Composition c) {
            return Initialization.normal(Math.sqrt(2.0 / (5.0 * c.hiddenSize())));
        }
    }
}
