package quern.models;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import quern.nn.Activation;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Linear;
import quern.nn.Mask;
import quern.nn.Norm;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * The parts of decoders whose checkpoints are laid out as Llama's: {@code model.embed_tokens}, {@code
 * model.layers.N.self_attn} and {@code .mlp}, {@code model.norm}, {@code lm_head}. A family says how its block puts them
 * together; this class has no opinion on norms.
 */
public final class RotaryDecoder {
    private static final String SLIDING_MASK = "sliding_mask";

    private final RotaryDecoderConfig c;
    private final Weights w;

    /** Parts of these settings with the parameters that {@code weights} gives. */
    public RotaryDecoder(RotaryDecoderConfig config, Weights weights) {
        this.c = config;
        this.w = weights;
    }

    /** The whole body: positions, the embedding, a block a layer, the last norm. */
    public List<Segment> body(TokenEmbedding embedding, IntFunction<TransformerBlock> block, Norm last) {
        List<Segment> segments = new ArrayList<>(List.of(positions(), embedding));
        IntStream.range(0, c.numHiddenLayers()).mapToObj(block).forEach(segments::add);
        segments.add(new FinalNorm("model.norm", last));
        return segments;
    }

    /** Position ids, masks and rotary tables. */
    public Positions positions() {
        Positions positions = new Positions(
                "positions",
                w.dtype(),
                c.ropeParameters()
                        .frequencies(c.ropeParameters().rotaryWidth(c.headWidth()), c.maxPositionEmbeddings()));
        OptionalInt window = IntStream.range(0, c.numHiddenLayers())
                .mapToObj(c::window)
                .filter(OptionalInt::isPresent)
                .findFirst()
                .orElse(OptionalInt.empty());
        return window.isEmpty() ? positions : positions.withMask(SLIDING_MASK, Mask.slidingWindow(window.getAsInt()));
    }

    /** {@code model.embed_tokens}. */
    public TokenEmbedding embedding() {
        String name = "model.embed_tokens";
        return new TokenEmbedding(
                name,
                w.embedding(name, c.vocabSize(), c.hiddenSize(), c.initializerRange(), c.paddingRow()),
                null,
                c.embeddingDropout(),
                c.paddingRow());
    }

    /** A number as the dtype of the weights holds it. */
    public double rounded(double x) {
        try (Scope scope = Scope.open()) {
            return Tensor.full(x, w.dtype(), Device.CPU, 1).item();
        }
    }

    /** The name of a block. */
    public String name(int layer) {
        return "model.layers." + layer;
    }

    /** A block of these steps, with the settings' dropout on what joins the residual stream. */
    public TransformerBlock block(int layer, Residual... steps) {
        return new TransformerBlock(
                name(layer),
                Stream.of(steps).map(s -> s.withDropout(c.residualDropout())).toList());
    }

    /** A linear slot of a block. */
    public Linear linear(String name, long in, long out, boolean bias) {
        return w.linear(name, in, out, bias, c.initializerRange());
    }

    /** Attention that scales scores by one over the root of the head's width. */
    public SelfAttention attention(int layer, boolean inputBias, boolean outputBias) {
        return attention(layer, inputBias, outputBias, 1 / Math.sqrt(c.headWidth()));
    }

    /** Attention of {@code q_proj}, {@code k_proj}, {@code v_proj} and {@code o_proj}, over the block's window. */
    public SelfAttention attention(int layer, boolean inputBias, boolean outputBias, double scale) {
        String name = name(layer) + ".self_attn";
        int d = c.hiddenSize();
        long queries = (long) c.numAttentionHeads() * c.headWidth();
        long keys = (long) c.keyValueHeads() * c.headWidth();
        return attention(
                layer,
                List.of(
                        linear(name + ".q_proj", d, queries, inputBias),
                        linear(name + ".k_proj", d, keys, inputBias),
                        linear(name + ".v_proj", d, keys, inputBias)),
                linear(name + ".o_proj", queries, d, outputBias),
                scale);
    }

    /** Attention of these slots, over the block's window. */
    public SelfAttention attention(int layer, List<Linear> inputs, Linear output, double scale) {
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(), c.keyValueHeads(), c.headWidth(), scale, c.attentionDropout(), true);
        SelfAttention attention = new SelfAttention(name(layer), layer, shape, inputs, output);
        OptionalInt window = c.window(layer);
        return window.isEmpty() ? attention : attention.withSlidingWindow(SLIDING_MASK, window.getAsInt());
    }

    /** The gated part of {@code gate_proj}, {@code up_proj} and {@code down_proj}. */
    public FeedForward feedForward(int layer, boolean bias) {
        String name = name(layer) + ".mlp";
        int d = c.hiddenSize();
        int inner = c.intermediateSize();
        return new FeedForward(
                name(layer),
                linear(name + ".gate_proj", d, inner, bias),
                linear(name + ".up_proj", d, inner, bias),
                linear(name + ".down_proj", inner, d, bias),
                activation());
    }

    /** The activation of the gate. */
    public Activation activation() {
        return Activation.of(c.gateActivation(), "hidden_act");
    }

    /** {@code lm_head}, tied to the embedding where the settings say so. */
    public LanguageModelHead head() {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied("lm_head", w.shared("model.embed_tokens.weight"))
                        : linear("lm_head", c.hiddenSize(), c.vocabSize(), false));
    }
}
