package quern.nn;

import java.util.List;
import java.util.stream.Stream;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * One vector of a sequence for comparison with those of other kinds: what {@link SequencePooling} picks from {@code
 * hidden_states}, normed and mapped to the width that both kinds share.
 */
public final class PooledProjection extends Segment {
    private final SequencePooling pooling;
    private final Norm norm;
    private final Linear projection;
    private final String output;

    /** {@code output} is the name of what it writes, [B, D]. */
    public PooledProjection(String name, SequencePooling pooling, Norm norm, Linear projection, String output) {
        super(name);
        this.pooling = pooling;
        this.norm = norm;
        this.projection = projection;
        this.output = output;
    }

    @Override
    public List<String> reads() {
        return List.of("hidden_states");
    }

    @Override
    public List<String> readsIfPresent() {
        return pooling.readsIfPresent();
    }

    @Override
    public List<String> writes() {
        return List.of(output);
    }

    @Override
    public List<Parameter> parameters() {
        return Stream.concat(norm.parameters().stream(), projection.parameters().stream())
                .toList();
    }

    @Override
    public List<Linear> linears() {
        return List.of(projection);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor pooled_BD = pooling.pool(flow.get("hidden_states"), flow);
        flow.put(output, pass.at(name(), "output", projection.forward(norm.forward(pooled_BD, pass), pass)));
    }
}
