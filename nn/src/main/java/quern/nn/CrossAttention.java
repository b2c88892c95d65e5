package quern.nn;

import java.util.List;
import java.util.Set;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Attention of a decoder's stream over what the encoder made of the source: queries from the stream, keys and values from
 * {@code encoder_hidden_states} [B, S, D], hidden where {@code encoder_mask} says so. With a cache keys and values are
 * computed once a generation. Probe points of the owner: {@code cross/attention_pattern} [B, H, T, S], {@code cross_head_outputs}
 * [B, T, H·D].
 */
public final class CrossAttention implements Branch {
    private final String owner;
    private final int layer;
    private final SelfAttention.Shape shape;
    private final Linear query;
    private final Linear key;
    private final Linear value;
    private final Linear output;

    /**
     * @param owner the segment's name
     * @param layer the layer's place in the key-value cache
     * @param shape not rotary
     */
    public CrossAttention(
            String owner, int layer, SelfAttention.Shape shape, Linear query, Linear key, Linear value, Linear output) {
        if (shape.rotary()) {
            throw new IllegalArgumentException("positions of two texts have no common angle");
        }
        this.owner = owner;
        this.layer = layer;
        this.shape = shape;
        this.query = query;
        this.key = key;
        this.value = value;
        this.output = output;
    }

    @Override
    public boolean attends() {
        return true;
    }

    @Override
    public String label() {
        return "cross_attention";
    }

    @Override
    public List<String> reads() {
        return List.of(EncoderPositions.OUTPUT, EncoderPositions.MASK);
    }

    @Override
    public Tensor forward(Tensor x_BTD, Flow flow, Pass pass) {
        Tensor q_BHTD = heads(query.forward(x_BTD, pass), shape.heads());
        KeyValueCache.KeysValues source =
                pass.cache() == null ? keysValues(flow, pass) : pass.cache().once(layer, () -> keysValues(flow, pass));
        Tensor mask = flow.get(EncoderPositions.MASK);
        boolean blockwise = pass.takesOperators()
                && !pass.isProbedAt(owner + "/cross", "attention_pattern")
                && pass.attention().isBlockwise(q_BHTD.size(2), source.keys().size(2));
        Tensor y_BTD = blockwise
                ? Attention.blockwise(
                        List.of(q_BHTD, source.keys(), source.values()),
                        BlockwiseAttention.Visible.all(q_BHTD, source.keys()),
                        mask,
                        new Attention.Scores(shape.scale(), 0),
                        shape.attentionDropout(),
                        pass,
                        owner + "/cross")
                : Attention.attend(
                        q_BHTD,
                        source.keys(),
                        source.values(),
                        mask,
                        shape.scale(),
                        shape.attentionDropout(),
                        pass,
                        owner + "/cross");
        return output.forward(pass.at(owner, "cross_head_outputs", y_BTD), pass);
    }

    private KeyValueCache.KeysValues keysValues(Flow flow, Pass pass) {
        Tensor source_BSD = flow.get(EncoderPositions.OUTPUT);
        return new KeyValueCache.KeysValues(
                heads(key.forward(source_BSD, pass), shape.keyValueHeads()),
                heads(value.forward(source_BSD, pass), shape.keyValueHeads()));
    }

    /** x [B, T, heads·D] as [B, heads, T, D]. */
    private Tensor heads(Tensor x, int heads) {
        return x.view(x.size(0), x.size(1), heads, shape.headWidth()).transpose(1, 2);
    }

    @Override
    public Set<Regularization.Kind> regularizers() {
        return Set.of(Regularization.Kind.ATTENTION_DROPOUT);
    }

    @Override
    public List<Parameter> closing() {
        return output.parameters();
    }

    @Override
    public List<Linear> linears() {
        return List.of(query, key, value, output);
    }
}
