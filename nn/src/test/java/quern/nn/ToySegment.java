package quern.nn;

import java.util.List;
import java.util.function.BiConsumer;
import quern.tensor.Parameter;

/** A segment whose forward is a lambda. */
final class ToySegment extends Segment {
    private final List<String> reads;
    private final List<String> writes;
    private final List<Parameter> parameters;
    private final BiConsumer<Flow, Pass> body;

    ToySegment(
            String name,
            List<String> reads,
            List<String> writes,
            List<Parameter> parameters,
            BiConsumer<Flow, Pass> body) {
        super(name);
        this.reads = reads;
        this.writes = writes;
        this.parameters = parameters;
        this.body = body;
    }

    @Override
    public List<String> reads() {
        return reads;
    }

    @Override
    public List<String> writes() {
        return writes;
    }

    @Override
    public List<Parameter> parameters() {
        return parameters;
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        body.accept(flow, pass);
    }
}
