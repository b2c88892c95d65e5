package quern.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import quern.data.Batch;
import quern.data.Lanes;
import quern.nn.Flow;
import quern.nn.Network;
import quern.tensor.Autograd;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * What a model with memories hands on from a pass to the next one over the same lanes of text. Nothing for other models. No
 * gradient goes through it.
 */
final class CarriedMemories implements AutoCloseable {
    private final List<String> names;
    private final Device device;
    private final Map<String, Tensor> held = new LinkedHashMap<>();

    CarriedMemories(Network network, Device device) {
        this.names = network.carries();
        this.device = device;
    }

    /** Gives the memories to a pass, unless all of its rows begin a text. */
    void put(Flow flow, Batch batch) {
        if (names.isEmpty() || beginsEverywhere(batch)) {
            return;
        }
        held.forEach(flow::put);
    }

    private static boolean beginsEverywhere(Batch batch) {
        if (!(batch.others().get(Lanes.RESET) instanceof Batch.Values.Ints reset)) {
            throw new IllegalArgumentException("a model with memories reads lanes of text");
        }
        for (int begins : reset.values()) {
            if (begins == 0) {
                return false;
            }
        }
        return true;
    }

    /** Keeps what a pass wrote. */
    void take(Function<String, Tensor> written) {
        if (names.isEmpty()) {
            return;
        }
        Map<String, Tensor> next = new LinkedHashMap<>();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            names.forEach(name -> next.put(name, written.apply(name).detach().keep()));
        }
        close();
        held.putAll(next);
    }

    /** Copies on the CPU, for a checkpoint; they belong to the caller. */
    Map<String, Tensor> copies() {
        Map<String, Tensor> copies = new LinkedHashMap<>();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            held.forEach((name, t) -> copies.put(name, t.to(Device.CPU).copy().keep()));
        }
        return copies;
    }

    /** Takes back {@link #copies}. */
    void load(Map<String, Tensor> copies) {
        close();
        try (Scope scope = Scope.open()) {
            copies.forEach((name, t) -> {
                if (!names.contains(name)) {
                    throw new IllegalArgumentException("the model carries no '" + name + "'");
                }
                held.put(name, t.to(device).copy().keep());
            });
        }
    }

    /** Forgets everything. */
    @Override
    public void close() {
        held.values().forEach(Tensor::close);
        held.clear();
    }
}
