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
import quern.nn.DecoderInputs;
import quern.nn.EncoderOutput;
import quern.nn.EncoderPositions;
import quern.nn.Segment;

/** An encoder that sees the source whole, and a decoder that attends to what it makes of it (Vaswani et al. 2017,
 * arXiv:1706.03762). Both read with the same token vectors. A block of the decoder attends to itself, then to the encoder. */
public final class EncoderDecoder implements PartTechnique {
    @Override
    public String kind() {
        return StructurePart.KIND;
    }

    @Override
    public String id() {
        return "encoder_decoder";
    }

    @Override
    public String summary() {
        return "An encoder of the source and a decoder that attends to it (the first transformer, T5)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /** It has no settings. */
    public record Config() implements StructurePart {
        @Override
        public Set<Task> tasks() {
            return Set.of(Task.SEQ2SEQ_LM, Task.MODEL);
        }

        @Override
        public List<Stack> stacks(Composition c) {
            return List.of(Stack.encoder(c.encoderLayers()), Stack.decoder(c.numHiddenLayers()));
        }

        @Override
        public List<Segment> body(Assembly a) {
            Composition c = a.config();
            Stack encoder = stacks(c).getFirst();
            Stack decoder = stacks(c).getLast();
            List<Segment> segments = new ArrayList<>();
            segments.add(
                    new EncoderPositions("model.encoder.source", a.weights().dtype()));
            segments.addAll(a.stack(encoder));
            segments.add(new EncoderOutput(encoder.output(), a.lastNorm(encoder), 0));
            segments.add(new DecoderInputs("model.decoder.inputs", c.decoderStart(), c.padding()));
            segments.addAll(a.stack(decoder));
            segments.addAll(a.finalNorm(decoder));
            return segments;
        }

        @Override
        public List<Segment> head(Assembly a, HeadSettings settings) {
            if (settings.task() == Task.MODEL) {
                return List.of();
            }
            List<Segment> head = new ArrayList<>(List.of(a.languageModelHead("lm_head", null)));
            stacks(a.config())
                    .forEach(stack -> head.addAll(a.parts().feedForward().losses(stack, a)));
            return head;
        }
    }
}
