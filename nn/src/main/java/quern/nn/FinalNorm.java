package quern.nn;

import java.util.List;
import quern.tensor.Parameter;

/** The normalisation after the last block. */
public final class FinalNorm extends Segment {
    private final Norm norm;

    /** A segment of one norm. */
    public FinalNorm(String name, Norm norm) {
        super(name);
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
        return norm.parameters();
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        flow.put("hidden_states", norm.forward(flow.get("hidden_states"), pass));
    }
}
