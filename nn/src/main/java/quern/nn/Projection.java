package quern.nn;

import java.util.List;
import quern.tensor.Parameter;

/** One linear slot over the residual stream: what leads from a model's width to that of its token vectors (OPT, ALBERT). */
public final class Projection extends Segment {
    private final Linear map;

    /** A segment of one slot. */
    public Projection(String name, Linear map) {
        super(name);
        this.map = map;
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
        return map.parameters();
    }

    @Override
    public List<Linear> linears() {
        return List.of(map);
    }

    @Override
    public void forward(Flow flow, Pass pass) {
        flow.put("hidden_states", map.forward(flow.get("hidden_states"), pass));
    }
}
