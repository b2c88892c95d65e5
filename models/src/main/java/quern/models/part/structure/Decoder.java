package quern.models.part.structure;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import quern.models.HeadSettings;
import quern.models.Task;
import quern.models.part.Assembly;
import quern.models.part.Composition;
import quern.models.part.PartTechnique;
import quern.models.part.Stack;
import quern.models.part.StructurePart;
import quern.nn.Mask;
import quern.nn.Segment;

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
    public record Config() implements StructurePart {
        @Override
        public Set<Task> tasks() {
            return DecoderHeads.TASKS;
        }

        @Override
        public List<Stack> stacks(Composition c) {
            return List.of(Stack.single(c.numHiddenLayers(), Mask.causal()));
        }

        @Override
        public List<Segment> body(Assembly a) {
            Stack stack = stacks(a.config()).getFirst();
            List<Segment> segments = new ArrayList<>(a.stack(stack));
            segments.addAll(a.finalNorm(stack));
            return segments;
        }

        @Override
        public List<Segment> head(Assembly a, HeadSettings settings) {
            return DecoderHeads.of(a, stacks(a.config()).getFirst(), settings);
        }
    }
}
