package quern.nn;

import java.util.List;
import java.util.stream.Stream;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * A pre-norm transformer block: {@code x += attention(norm(x)); x += feedForward(norm(x))}. Probe points: those of its
 * parts, and {@code output}, the residual stream after the block.
 */
public final class DecoderBlock extends Segment {
    private final Norm attentionNorm;
    private final SelfAttention attention;
    private final Norm feedForwardNorm;
    private final FeedForward feedForward;
    private final double residualDropout;

    /** A block from its parts. */
    public DecoderBlock(
            String name,
            Norm attentionNorm,
            SelfAttention attention,
            Norm feedForwardNorm,
            FeedForward feedForward,
            double residualDropout) {
        super(name);
        this.attentionNorm = attentionNorm;
        this.attention = attention;
        this.feedForwardNorm = feedForwardNorm;
        this.feedForward = feedForward;
        this.residualDropout = residualDropout;
    }

    @Override
    public List<String> reads() {
        return List.of("hidden_states", "mask");
    }

    @Override
    public List<String> readsIfPresent() {
        return List.of("rotary_cos", "rotary_sin");
    }

    @Override
    public List<String> writes() {
        return List.of("hidden_states");
    }

    @Override
    public List<Parameter> parameters() {
        return Stream.of(
                        attentionNorm.parameters(),
                        attention.parameters(),
                        feedForwardNorm.parameters(),
                        feedForward.parameters())
                .flatMap(List::stream)
                .toList();
    }

    @Override
    public List<Linear> linears() {
        return Stream.concat(attention.linears().stream(), feedForward.linears().stream())
                .toList();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x = flow.get("hidden_states");
        Tensor a = attention.forward(attentionNorm.forward(x, pass), flow, pass);
        x = x.add(SelfAttention.drop(a, residualDropout, "residual_dropout_attention", name(), pass));
        Tensor f = feedForward.forward(feedForwardNorm.forward(x, pass), pass);
        x = x.add(SelfAttention.drop(f, residualDropout, "residual_dropout_mlp", name(), pass));
        flow.put("hidden_states", pass.at(name(), "output", x));
    }
}
