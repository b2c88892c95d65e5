package quern.models.part;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import quern.models.Initialization;
import quern.models.Weights;
import quern.models.part.InitializationPart.Role;
import quern.nn.Branch;
import quern.nn.CrossAttention;
import quern.nn.DenseLinear;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Linear;
import quern.nn.Mask;
import quern.nn.Norm;
import quern.nn.PositionIds;
import quern.nn.Positions;
import quern.nn.Projection;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * Puts a model together: gives its parts their parameters, and knows how they make an embedding, a block, a head. Names are
 * those of Llama's checkpoints where Llama has such a thing.
 */
public final class Assembly {
    /** The token vectors. */
    public static final String TOKENS = "model.embed_tokens";

    private final Composition c;
    private final Weights w;
    private final Parts parts;
    private Parameter tokens;

    /** A model of these settings with the parameters that {@code weights} gives. */
    public Assembly(Composition config, Weights weights) {
        this.c = config;
        this.w = weights;
        this.parts = config.parts();
    }

    /** The settings. */
    public Composition config() {
        return c;
    }

    /** Gives parameters. */
    public Weights weights() {
        return w;
    }

    /** The parts. */
    public Parts parts() {
        return parts;
    }

    /** What a new matrix of this role is drawn from. */
    public Initialization matrix(Role role, long in, long out) {
        return parts.initialization().matrix(role, in, out, c);
    }

    /** A linear slot. */
    public Linear linear(Role role, String name, long in, long out, boolean bias) {
        Linear slot = w.linear(name, in, out, bias, matrix(role, in, out));
        // A slot that shares its matrix with another's has it rated there.
        if (slot.form() instanceof DenseLinear dense) {
            rated(role, dense.weight());
        }
        return slot;
    }

    /** A matrix [out, in], or a stack of such matrices, that is no slot's. */
    public Parameter matrix(Role role, String name, long in, long out, long... shape) {
        return rated(role, w.parameter(name, matrix(role, in, out), shape));
    }

    private Parameter rated(Role role, Parameter matrix) {
        matrix.setRateFactor(parts.initialization().learningRateFactor(role, c));
        return matrix;
    }

    /** A table of vectors, {@code name.weight} [rows, width]. */
    public Parameter table(Role role, String name, long rows, long width) {
        return rated(role, w.parameter(name + ".weight", matrix(role, width, rows), rows, width));
    }

    /** A norm over this width. */
    public Norm norm(String name, long width) {
        return parts.norm().norm(w, name, width);
    }

    /** A norm over the residual stream. */
    public Norm norm(String name) {
        return norm(name, c.hiddenSize());
    }

    /** The token vectors, one table for all stacks. */
    public Parameter tokens() {
        if (tokens == null) {
            tokens = w.parameter(TOKENS + ".weight", tokenVectors(), c.vocabSize(), tokenWidth());
        }
        return tokens;
    }

    private long tokenWidth() {
        return c.embeddingSize().orElse(c.hiddenSize());
    }

    private Initialization tokenVectors() {
        Initialization drawn = matrix(Role.TOKENS, tokenWidth(), c.vocabSize());
        return drawn instanceof Initialization.Normal n ? new Initialization.Normal(n.std(), c.paddingRow()) : drawn;
    }

    /** The embedding of a stack. */
    public TokenEmbedding embedding(Stack stack) {
        TokenEmbedding embedding = new TokenEmbedding(
                        stack.prefix() + "embed_tokens",
                        tokens(),
                        parts.position().table(stack, this),
                        c.embeddingDropout(),
                        c.paddingRow())
                .withIds(stack.tokens());
        if (c.embeddingSize().isPresent()) {
            embedding = embedding.withProjection(
                    linear(Role.OTHER, stack.prefix() + "embed_projection", tokenWidth(), c.hiddenSize(), true));
        }
        if (c.embeddingNorm()) {
            embedding = embedding.withNorm(norm(stack.prefix() + "embed_norm"));
        }
        return parts.position().embedding(embedding, stack, this);
    }

    /** What a stack's blocks need to know about positions. */
    public List<Segment> positions(Stack stack) {
        Optional<Segment> memories = parts.recurrence().memories(stack, this);
        if (memories.isPresent()) {
            return List.of(memories.get());
        }
        Map<String, Mask> masks = new LinkedHashMap<>();
        for (int i = 0; i < stack.layers(); i++) {
            Mask mask = parts.pattern(i).mask(stack.mask(), c);
            masks.putIfAbsent(parts.maskName(i), parts.position().mask(mask, c));
        }
        Positions positions = new Positions(stack.prefix() + "positions", w.dtype(), null);
        for (Map.Entry<String, Mask> mask : masks.entrySet()) {
            positions = positions.withMask(mask.getKey(), mask.getValue());
        }
        if (stack.mask().ahead()) {
            positions = positions.withPositionIds(PositionIds.columns());
        }
        if (!stack.readsInput()) {
            positions = positions.withUnpaddedTokens(stack.tokens());
        }
        List<Segment> segments = new ArrayList<>(parts.position().before(stack, this));
        segments.add(parts.position().positions(positions, stack, c));
        return segments;
    }

    /** Positions, embedding, blocks and, where blocks don't end in one, a norm. */
    public List<Segment> stack(Stack stack) {
        List<Segment> segments = new ArrayList<>(positions(stack));
        segments.add(embedding(stack));
        segments.addAll(parts.sharing().blocks(stack, this));
        return segments;
    }

    /** The norm after a stack's last block; {@code null} where the block ends in one. */
    public Norm lastNorm(Stack stack) {
        return c.normPlacement() == NormPlacement.POST ? null : norm(stack.output());
    }

    /** As a segment, or none. */
    public List<Segment> finalNorm(Stack stack) {
        Norm last = lastNorm(stack);
        return last == null ? List.of() : List.of(new FinalNorm(stack.output(), last));
    }

    /** A stack and the norm after its last block. */
    public List<Segment> normedStack(Stack stack) {
        List<Segment> segments = new ArrayList<>(stack(stack));
        segments.addAll(finalNorm(stack));
        return segments;
    }

    /** A block a layer. */
    public List<Segment> blocks(Stack stack) {
        return IntStream.range(0, stack.layers())
                .<Segment>mapToObj(i -> block(stack, stack.block(i), i))
                .toList();
    }

    /** A block. */
    public TransformerBlock block(Stack stack, String name, int layer) {
        BlockSite site = new BlockSite(this, stack, name, layer);
        Branch attention = parts.attention().branch(site);
        Branch feedForward = parts.feedForward().branch(site);
        List<Residual> steps = new ArrayList<>();
        if (c.parallelResidual()) {
            steps.add(Residual.parallel(
                    norm(name + ".input_layernorm"), attention, norm(name + ".post_attention_layernorm"), feedForward));
        } else {
            steps.add(step(attention, name + ".input_layernorm", name + ".post_attention_layernorm"));
            if (stack.cross()) {
                steps.add(step(
                        crossAttention(site),
                        name + ".cross_attention_layernorm",
                        name + ".post_cross_attention_layernorm"));
            }
            // Where there is one norm a branch, names are Llama's, which has the norm before the feed-forward part so.
            boolean pre = c.normPlacement() == NormPlacement.PRE;
            steps.add(step(
                    feedForward,
                    name + (pre ? ".post_attention_layernorm" : ".pre_feedforward_layernorm"),
                    name + ".post_feedforward_layernorm"));
        }
        return new TransformerBlock(
                name,
                steps.stream().map(s -> s.withDropout(c.residualDropout())).toList());
    }

    private Residual step(Branch branch, String before, String after) {
        return switch (c.normPlacement()) {
            case PRE -> Residual.preNorm(norm(before), branch);
            case POST -> Residual.postNorm(branch, norm(after));
            case SANDWICH -> Residual.sandwich(norm(before), branch, norm(after));
        };
    }

    /** Attention of a block to what an encoder gives; parameters under {@code BLOCK.cross_attn}. */
    public CrossAttention crossAttention(BlockSite site) {
        String name = site.name() + ".cross_attn";
        long queries = (long) c.numAttentionHeads() * c.headWidth();
        long keys = (long) c.keyValueHeads() * c.headWidth();
        return new CrossAttention(
                site.name(),
                site.layer(),
                headShape(false),
                linear(Role.QUERY, name + ".q_proj", c.hiddenSize(), queries, c.attentionBias()),
                linear(Role.KEY, name + ".k_proj", c.hiddenSize(), keys, c.attentionBias()),
                linear(Role.VALUE, name + ".v_proj", c.hiddenSize(), keys, c.attentionBias()),
                linear(Role.RESIDUAL, name + ".o_proj", queries, c.hiddenSize(), c.attentionBias()));
    }

    /** The sizes and rates of attention. */
    public SelfAttention.Shape headShape(boolean rotary) {
        return new SelfAttention.Shape(
                c.numAttentionHeads(),
                c.keyValueHeads(),
                c.headWidth(),
                parts.initialization().attentionScale(c.headWidth(), c),
                c.attentionDropout(),
                rotary);
    }

    /**
     * The segments of a head, with what stands before the slot over the vocabulary where that is tied to token vectors
     * narrower than the stream, and with the losses of what blocks share.
     */
    public List<Segment> completed(List<Segment> head) {
        List<Segment> all = new ArrayList<>();
        for (Segment s : head) {
            if (s instanceof LanguageModelHead
                    && c.tieWordEmbeddings()
                    && c.embeddingSize().isPresent()) {
                String name = "lm_projection";
                all.add(new Projection(
                        name,
                        linear(
                                Role.OTHER,
                                name,
                                c.hiddenSize(),
                                c.embeddingSize().get(),
                                true)));
            }
            all.add(s);
        }
        all.addAll(parts.sharing().losses());
        return all;
    }

    /** The slot over the vocabulary, tied to the token vectors where the settings say so; {@code bias} may be null. */
    public LanguageModelHead languageModelHead(String name, Parameter bias) {
        Linear output = c.tieWordEmbeddings()
                ? w.tied(name, w.shared(TOKENS + ".weight"), bias)
                : w.linear(name, c.hiddenSize(), c.vocabSize(), bias, matrix(Role.HEAD, c.hiddenSize(), c.vocabSize()));
        LanguageModelHead head = new LanguageModelHead(name, output);
        double factor = parts.initialization().logitFactor(c);
        if (factor != 1) {
            head = head.withFactor(factor);
        }
        return c.finalLogitSoftcapping().isEmpty()
                ? head
                : head.withSoftCap(c.finalLogitSoftcapping().get());
    }
}
