package quern.nn;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import quern.tensor.Tensor;

/**
 * The named tensors that travel between segments: {@code input_ids}, {@code hidden_states}, {@code targets}… A segment
 * reads some names and writes some; writing a name again replaces what later segments see.
 */
public final class Flow {
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();

    /** The tensor under {@code name}; an absent name is a mistake in the model's wiring or in the call. */
    public Tensor get(String name) {
        Tensor t = tensors.get(name);
        if (t == null) {
            throw new IllegalArgumentException("no '" + name + "' in the flow; it holds " + tensors.keySet());
        }
        return t;
    }

    /** The tensor under {@code name}, or {@code null}. */
    public Tensor find(String name) {
        return tensors.get(name);
    }

    /** Whether {@code name} is there. */
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /** Sets {@code name}. */
    public Flow put(String name, Tensor tensor) {
        tensors.put(name, tensor);
        return this;
    }

    /** The names, in the order they were first set. */
    public Set<String> names() {
        return tensors.keySet();
    }

    @Override
    public String toString() {
        return tensors.toString();
    }
}
