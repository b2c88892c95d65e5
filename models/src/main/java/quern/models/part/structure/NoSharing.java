package quern.models.part.structure;

import java.util.List;
import quern.models.part.Assembly;
import quern.models.part.PartTechnique;
import quern.models.part.SharingPart;
import quern.models.part.Stack;
import quern.nn.Segment;

/** Each block has weights of its own. */
public final class NoSharing implements PartTechnique {
    @Override
    public String kind() {
        return SharingPart.KIND;
    }

    @Override
    public String id() {
        return "none";
    }

    @Override
    public String summary() {
        return "Each block has weights of its own";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements SharingPart {
        @Override
        public List<Segment> blocks(Stack stack, Assembly assembly) {
            return assembly.blocks(stack);
        }
    }
}
