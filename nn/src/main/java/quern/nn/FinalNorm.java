package quern.nn;

import java.util.List;
import java.util.Optional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** The normalisation after the last block. */
public final class FinalNorm extends Segment {
    private final Norm norm;
    private final double dropout;

    /** A segment of one norm. */
    public FinalNorm(String name, Norm norm) {
        this(name, norm, 0);
    }

    /** A norm with dropout behind it. */
    public FinalNorm(String name, Norm norm, double dropout) {
        super(name);
        this.norm = norm;
        this.dropout = dropout;
    }

    Norm norm() {
        return norm;
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
        return norm.parameters();
    }

    @Override
    public boolean sharesPrefixes(Pass pass, long longest) {
        return dropout == 0 || !pass.isTraining();
    }

    @Override
    public Optional<HandWritten> handWritten(Flow flow, Pass pass) {
        return dropout == 0 || !pass.isTraining() ? FusedNorm.of(norm, flow) : Optional.empty();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        Tensor x = norm.forward(flow.get("hidden_states"), pass);
        flow.put("hidden_states", SelfAttention.drop(x, dropout, "output_dropout", name(), pass));
    }
}
