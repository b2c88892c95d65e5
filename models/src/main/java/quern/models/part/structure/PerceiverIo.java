package quern.models.part.structure;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.Task;
import quern.models.part.Assembly;
import quern.models.part.BlockSite;
import quern.models.part.Composition;
import quern.models.part.InitializationPart.Role;
import quern.models.part.NormPlacement;
import quern.models.part.PartTechnique;
import quern.models.part.Stack;
import quern.models.part.StructurePart;
import quern.models.part.attention.FullPattern;
import quern.models.part.position.NoPosition;
import quern.nn.EncoderPositions;
import quern.nn.LatentArray;
import quern.nn.Mask;
import quern.nn.Pooler;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SequenceClassificationHead;
import quern.nn.SequencePooling;
import quern.nn.TokenClassificationHead;
import quern.nn.TransformerBlock;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.Parameter;

/**
 * A text of any length is read into a few latent vectors, which the blocks work on, and output queries read what they need
 * from them (Jaegle et al. 2021, arXiv:2107.14795). Work grows with the text's length only where it is read and written. The
 * latents are {@code num_latents} learnt vectors that attend to the embedded tokens; a query is a learnt vector of each
 * position for hidden tokens and token labels, and one learnt vector for a text's label.
 *
 * <p>Deviations: latents, tokens and queries have one width, that of the stream; a query is added to what it reads, which the
 * paper leaves open; a norm follows the last block, as after any stack here.
 */
public final class PerceiverIo implements PartTechnique {
    @Override
    public String kind() {
        return StructurePart.KIND;
    }

    @Override
    public String id() {
        return "perceiver_io";
    }

    @Override
    public String summary() {
        return "Reads a text into latent vectors and answers output queries from them (Perceiver IO)";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    /**
     * The settings.
     *
     * @param numLatents latent vectors
     */
    public record Config(
            @Doc("The number of latent vectors.") @Default("64") @Range(min = 1)
            int numLatents) implements StructurePart {
        private static final String LATENTS = "model.latents";
        private static final String QUERIES = "output_queries";

        @Override
        public Set<Task> tasks() {
            return Set.of(
                    Task.MASKED_LM, Task.SEQUENCE_CLASSIFICATION, Task.REWARD, Task.TOKEN_CLASSIFICATION, Task.MODEL);
        }

        /** That of the latents, which reads no tokens itself. */
        @Override
        public List<Stack> stacks(Composition c) {
            return List.of(
                    new Stack("model.", c.numHiddenLayers(), Mask.bidirectional(), LATENTS, false, "model.norm"));
        }

        @Override
        public void check(Composition c) {
            if (!c.parts().position().onlyInVectors()) {
                throw new IllegalArgumentException(
                        "position: latents have no order among the tokens, so positions can only be added to token vectors; use learned, sinusoidal or none");
            }
            if (c.parts().patterns().stream().anyMatch(p -> !(p instanceof FullPattern.Config))) {
                throw new IllegalArgumentException(
                        "attention_pattern: latents have no order, so none of them is near or far; use full");
            }
            if (c.normPlacement() != NormPlacement.PRE) {
                throw new IllegalArgumentException(
                        "norm_placement: structure perceiver_io norms what it reads before it reads it; use pre");
            }
        }

        @Override
        public List<Segment> body(Assembly a) {
            Stack latents = stacks(a.config()).getFirst();
            Stack tokens = Stack.single(a.config().numHiddenLayers(), Mask.bidirectional());
            List<Segment> segments = new ArrayList<>();
            segments.add(new EncoderPositions("model.positions", a.weights().dtype()));
            segments.add(a.embedding(tokens));
            segments.add(LatentArray.latents(LATENTS, vectors(a, LATENTS, numLatents), a.norm("model.input_norm")));
            segments.add(reading(a, latents, "model.encode"));
            segments.addAll(a.parts().sharing().blocks(latents, a));
            return segments;
        }

        private static Parameter vectors(Assembly a, String name, long rows) {
            return a.table(Role.POSITIONS, name, rows, a.config().hiddenSize());
        }

        /** Attention to what lies where an encoder's output does, and a feed-forward part. */
        private static TransformerBlock reading(Assembly a, Stack stack, String name) {
            BlockSite site = new BlockSite(a, stack, name, 0);
            double dropout = a.config().residualDropout();
            return new TransformerBlock(
                    name,
                    Residual.preNorm(a.norm(name + ".cross_attention_layernorm"), a.crossAttention(site))
                            .withDropout(dropout),
                    Residual.preNorm(
                                    a.norm(name + ".post_attention_layernorm"),
                                    a.parts().feedForward().branch(site))
                            .withDropout(dropout));
        }

        private static boolean isOfText(Task task) {
            return task == Task.SEQUENCE_CLASSIFICATION || task == Task.REWARD;
        }

        @Override
        public void checkTask(Task task, Composition c) {
            if (!isOfText(task) && task != Task.MODEL && c.parts().position() instanceof NoPosition.Config) {
                throw new IllegalArgumentException(
                        "position: none, but %s asks about each position, and the latents would not know which token stood there; choose learned or sinusoidal"
                                .formatted(task.id()));
            }
        }

        @Override
        public List<Segment> head(Assembly a, HeadSettings settings) {
            Composition c = a.config();
            Stack stack = stacks(c).getFirst();
            boolean text = isOfText(settings.task());
            List<Segment> head = new ArrayList<>();
            if (settings.task() != Task.MODEL) {
                long rows = text ? 1 : c.maxPositionEmbeddings();
                head.add(LatentArray.queries(QUERIES, vectors(a, QUERIES, rows), a.norm("output_norm"), !text));
                head.add(reading(a, stack, "decode"));
            }
            head.addAll(a.finalNorm(stack));
            int width = c.hiddenSize();
            switch (settings.task()) {
                case MASKED_LM -> {
                    head.add(a.languageModelHead(
                            "cls.decoder", a.weights().parameter("cls.bias", Initialization.ZEROS, c.vocabSize())));
                    head.addAll(a.parts().feedForward().losses(stack, a));
                }
                case SEQUENCE_CLASSIFICATION, REWARD -> {
                    head.add(new Pooler("pooler", SequencePooling.firstToken()));
                    head.add(new SequenceClassificationHead(
                            "classifier",
                            a.linear(Role.HEAD, "classifier", width, settings.labels(), true),
                            settings.dropout(),
                            settings.problemType()));
                }
                case TOKEN_CLASSIFICATION ->
                    head.add(new TokenClassificationHead(
                            "classifier",
                            a.linear(Role.HEAD, "classifier", width, settings.labels(), true),
                            settings.dropout()));
                case MODEL -> {}
                default -> throw new IllegalArgumentException("no head for " + settings.task());
            }
            return head;
        }
    }
}
