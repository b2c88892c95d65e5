package quern.models.part.structure;

import java.util.List;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.Stack;
import quern.models.part.StructurePart;
import quern.nn.Mask;

/** One stack that reads from left to right. */
public final class Decoder implements PartTechnique {
    @Override
    public String kind() {
        return StructurePart.KIND;
    }

    @Override
    public String id() {
        return "decoder";
    }

    @Override
    public String summary() {
        return "Reads from left to right (GPT, Llama)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements LeftToRight {
        @Override
        public List<Stack> stacks(Composition c) {
            return List.of(Stack.single(c.numHiddenLayers(), Mask.causal()));
        }
    }
}
