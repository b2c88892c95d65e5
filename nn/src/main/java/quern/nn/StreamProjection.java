package quern.nn;

import java.util.List;
import quern.tensor.Parameter;

/** Maps the stream to another width: to that of narrow token vectors, before a head that is tied to them (ALBERT). */
public final class StreamProjection extends Segment {
    private final Linear map;

    /** A segment of one slot. */
    public StreamProjection(String name, Linear map) {
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
