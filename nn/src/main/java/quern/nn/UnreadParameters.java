package quern.nn;

import java.util.List;
import quern.tensor.Parameter;

/** Parameters that belong to a model's files though nothing reads them: they are loaded, kept and written back. */
public final class UnreadParameters extends Segment {
    private final List<Parameter> parameters;

    /** A segment that holds these and does nothing. */
    public UnreadParameters(String name, List<Parameter> parameters) {
        super(name);
        this.parameters = List.copyOf(parameters);
    }

    @Override
    public List<String> reads() {
        return List.of();
    }

    @Override
    public List<String> writes() {
        return List.of();
    }

    @Override
    public List<Parameter> parameters() {
        return parameters;
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        // Nothing reads them.
    }
}
