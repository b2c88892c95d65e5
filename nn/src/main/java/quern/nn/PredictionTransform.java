package quern.nn;

import java.util.List;
import java.util.stream.Stream;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** What many encoders put between the body and their output slot: {@code norm(activation(dense(x)))}. */
public final class PredictionTransform extends Segment {
    private final Linear dense;
    private final Activation activation;
    private final Norm norm;

    /** A segment of a layer and a norm. */
    public PredictionTransform(String name, Linear dense, Activation activation, Norm norm) {
        super(name);
        this.dense = dense;
        this.activation = activation;
        this.norm = norm;
    }

    @Override
    public List<String> reads() {
        return List.of("hidden_states");
    }

    @Override
    public List<String> writes() {
        return List.of("hidden_states");
    }

    @Override
    public List<Parameter> parameters() {
        return Stream.of(dense.parameters(), norm.parameters())
                .flatMap(List::stream)
                .toList();
    }

    @Override
    public List<Linear> linears() {
        return List.of(dense);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x_BTD = activation.apply(dense.forward(flow.get("hidden_states"), pass));
        flow.put("hidden_states", norm.forward(x_BTD, pass));
    }
}
