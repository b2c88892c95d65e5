package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Makes one vector of a sequence: writes {@code pooler_output} [B, D] from {@code hidden_states}, {@code
 * norm(activation(dense(dropout(pooled))))} with the parts that are there.
 */
public final class Pooler extends Segment {
    private final SequencePooling pooling;
    private final double dropout;
    private final Linear dense;
    private final Activation activation;
    private final Norm norm;

    /** Pooling alone. */
    public Pooler(String name, SequencePooling pooling) {
        this(name, pooling, 0, null, null, null);
    }

    /**
     * Pooling, a layer and a norm.
     *
     * @param dropout before the layer
     * @param dense null for none
     * @param activation after the layer; null without one
     * @param norm null for none
     */
    public Pooler(
            String name, SequencePooling pooling, double dropout, Linear dense, Activation activation, Norm norm) {
        super(name);
        this.pooling = pooling;
        this.dropout = dropout;
        this.dense = dense;
        this.activation = activation;
        this.norm = norm;
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
        return List.of("pooler_output");
    }

    @Override
    public List<Parameter> parameters() {
        List<Parameter> all = new ArrayList<>();
        linears().forEach(l -> all.addAll(l.parameters()));
        if (norm != null) {
            all.addAll(norm.parameters());
        }
        return all;
    }

    @Override
    public List<Linear> linears() {
        return dense == null ? List.of() : List.of(dense);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x_BD = pooling.pool(flow.get("hidden_states"), flow);
        x_BD = SelfAttention.drop(x_BD, dropout, "pooler_dropout", name(), pass);
        if (dense != null) {
            x_BD = activation.apply(dense.forward(x_BD, pass));
        }
        if (norm != null) {
            x_BD = norm.forward(x_BD, pass);
        }
        flow.put("pooler_output", pass.at(name(), "output", x_BD));
    }
}
