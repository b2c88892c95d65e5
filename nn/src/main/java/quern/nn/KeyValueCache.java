package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Keys and values of the tokens generated so far, a pair a layer, [B, KV, S, D]. Buffers double when full, so a token
 * costs no copy of the past most of the time. Close it after generation.
 */
public final class KeyValueCache implements AutoCloseable {
    private static final int FIRST_CAPACITY = 64;

    private static final class Layer {
        Tensor keys;
        Tensor values;
        long length;
    }

    private final List<Layer> layers = new ArrayList<>();

    /** The number of positions cached before the present call. */
    public long length() {
        return layers.isEmpty() ? 0 : layers.get(0).length;
    }

    /** What attention works with after appending. */
    public record KeysValues(Tensor keys, Tensor values) {}

    /** Appends this call's keys and values [B, KV, T, D] of a layer and returns views of all so far. */
    public KeysValues append(int layer, Tensor k_BHTD, Tensor v_BHTD) {
        while (layers.size() <= layer) {
            layers.add(new Layer());
        }
        Layer l = layers.get(layer);
        long t = k_BHTD.size(2);
        long needed = l.length + t;
        if (l.keys == null || l.keys.size(2) < needed) {
            l.keys = grow(l.keys, k_BHTD, l.length, needed);
            l.values = grow(l.values, v_BHTD, l.length, needed);
        }
        l.keys.narrow(2, l.length, t).copy_(k_BHTD);
        l.values.narrow(2, l.length, t).copy_(v_BHTD);
        l.length = needed;
        return new KeysValues(l.keys.narrow(2, 0, needed), l.values.narrow(2, 0, needed));
    }

    private static Tensor grow(Tensor old, Tensor like, long length, long needed) {
        long capacity = Math.max(FIRST_CAPACITY, Math.max(needed, length * 2));
        try (Scope scope = Scope.open()) {
            Tensor grown = Tensor.empty(like.dtype(), like.device(), like.size(0), like.size(1), capacity, like.size(3))
                    .keep();
            if (old != null) {
                grown.narrow(2, 0, length).copy_(old.narrow(2, 0, length));
                old.close();
            }
            return grown;
        }
    }

    @Override
    public void close() {
        for (Layer l : layers) {
            if (l.keys != null) {
                l.keys.close();
                l.values.close();
            }
        }
        layers.clear();
    }
}
