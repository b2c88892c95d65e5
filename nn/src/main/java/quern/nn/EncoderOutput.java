package quern.nn;

import java.util.List;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * The end of an encoder that a decoder follows: what is in {@code hidden_states}, normed and dropped out where the model
 * does that, becomes {@code encoder_hidden_states}.
 */
public final class EncoderOutput extends Segment {
    private final Norm norm;
    private final double dropout;

    /** {@code norm} may be null. */
    public EncoderOutput(String name, Norm norm, double dropout) {
        super(name);
        this.norm = norm;
        this.dropout = dropout;
    }

    @Override
    public List<String> reads() {
        return List.of("hidden_states");
    }

    @Override
    public List<String> writes() {
        return List.of(EncoderPositions.OUTPUT);
    }

    @Override
    public List<Parameter> parameters() {
        return norm == null ? List.of() : norm.parameters();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x_BSD = flow.get("hidden_states");
        x_BSD = norm == null ? x_BSD : norm.forward(x_BSD, pass);
        x_BSD = SelfAttention.drop(x_BSD, dropout, "output_dropout", name(), pass);
        flow.put(EncoderPositions.OUTPUT, pass.at(name(), "output", x_BSD));
    }
}
