package quern.nn;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Keys and values of the tokens generated so far, a pair a layer, [B, KV, S, D], and whatever else a layer must know of the
 * past: its states. Buffers double when full, so a token costs no copy of the past most of the time. A layer with a sliding window holds only what its window reaches, however
 * long the text grows. Close it after generation.
 */
public final class KeyValueCache implements AutoCloseable {
    private static final int FIRST_CAPACITY = 64;

    /** Positions [start, start + held) of the buffers are the newest {@code held} of the {@code length} seen. */
    private static final class Layer {
        Tensor keys;
        Tensor values;
        long start;
        long held;
        long length;

        long capacity() {
            return keys == null ? 0 : keys.size(2);
        }
    }

    private final List<Layer> layers = new ArrayList<>();
    private final Map<Integer, KeysValues> sources = new HashMap<>();
    private final Map<String, Tensor> states = new HashMap<>();

    /** The number of positions seen before the present call. */
    public long length() {
        return layers.isEmpty() ? 0 : layers.get(0).length;
    }

    /** The most positions for which a layer has memory now. */
    public long capacity() {
        return layers.stream().mapToLong(Layer::capacity).max().orElse(0);
    }

    /** What attention works with after appending. */
    public record KeysValues(Tensor keys, Tensor values) {}

    /** A layer's buffers with room for one more token at place {@code start + held}. */
    record Buffers(Tensor keys, Tensor values, long start, long held) {}

    /** Makes room for one more token in a layer without a window, which must hold some; {@link #advance} counts it. */
    Buffers reserve(int layer) {
        Layer l = layers.get(layer);
        if (l.capacity() < l.start + l.held + 1) {
            move(l, l.keys, l.values, l.held, Math.max(FIRST_CAPACITY, l.held * 2));
        }
        return new Buffers(l.keys, l.values, l.start, l.held);
    }

    /** Counts the token that was written into each layer's room. */
    void advance() {
        for (Layer l : layers) {
            l.held++;
            l.length++;
        }
    }

    /** Layers that hold something. */
    int layers() {
        return layers.size();
    }

    /** Appends this call's keys and values [B, KV, T, D] of a layer and returns views of all so far. */
    public KeysValues append(int layer, Tensor k_BHTD, Tensor v_BHTD) {
        Layer l = layer(layer);
        long t = k_BHTD.size(2);
        if (l.capacity() < l.held + t) {
            move(l, k_BHTD, v_BHTD, l.held, Math.max(FIRST_CAPACITY, Math.max(l.held + t, l.held * 2)));
        }
        write(l, k_BHTD, v_BHTD);
        return held(l);
    }

    /**
     * As above for a layer whose queries see the {@code window} newest keys, their own among them: returns the
     * {@code window - 1} newest of the past, as far as there are that many, and this call's.
     */
    public KeysValues append(int layer, Tensor k_BHTD, Tensor v_BHTD, long window) {
        Layer l = layer(layer);
        long t = k_BHTD.size(2);
        long past = Math.min(l.held, window - 1);
        l.start += l.held - past;
        l.held = past;
        if (t >= window) {
            // More than one window at once, a prompt: what attention needs now is larger than what is kept.
            KeysValues all = past == 0
                    ? new KeysValues(k_BHTD, v_BHTD)
                    : new KeysValues(
                            Tensor.cat(List.of(held(l).keys(), k_BHTD), 2),
                            Tensor.cat(List.of(held(l).values(), v_BHTD), 2));
            long length = l.length + t;
            l.held = 0;
            if (window > 1) {
                if (l.capacity() < window - 1) {
                    move(l, k_BHTD, v_BHTD, 0, 2 * window);
                }
                l.start = 0;
                write(l, k_BHTD.narrow(2, t - window + 1, window - 1), v_BHTD.narrow(2, t - window + 1, window - 1));
            }
            l.length = length;
            return all;
        }
        if (l.capacity() < l.start + past + t) {
            // Twice the window, so that the past moves to the front once in a window's tokens.
            move(l, k_BHTD, v_BHTD, past, Math.min(2 * window, Math.max(FIRST_CAPACITY, 2 * (past + t))));
        }
        write(l, k_BHTD, v_BHTD);
        return held(l);
    }

    /**
     * Keys and values that stay as they are for the whole generation, those of a source text: computed at the layer's
     * first call.
     */
    public KeysValues once(int layer, Supplier<KeysValues> source) {
        KeysValues known = sources.get(layer);
        if (known == null) {
            KeysValues made = source.get();
            known = new KeysValues(made.keys().keep(), made.values().keep());
            sources.put(layer, known);
        }
        return known;
    }

    /** What a recurrent layer left under this name, or {@code null}. */
    Tensor state(String name) {
        return states.get(name);
    }

    /** Leaves a state in place of the one before; the cache holds it from here on. */
    void state(String name, Tensor state) {
        Tensor before = states.put(name, state.keep());
        if (before != null) {
            before.close();
        }
    }

    /** Counts {@code t} positions of a layer that leaves states and no keys. */
    void advance(int layer, long t) {
        layer(layer).length += t;
    }

    /** The bytes of everything that is held, unused room in buffers left out. */
    public long bytes() {
        long bytes = 0;
        for (Layer l : layers) {
            if (l.keys != null) {
                bytes += l.held * (bytesAPosition(l.keys) + bytesAPosition(l.values));
            }
        }
        for (KeysValues source : sources.values()) {
            bytes += bytes(source.keys()) + bytes(source.values());
        }
        for (Tensor state : states.values()) {
            bytes += bytes(state);
        }
        return bytes;
    }

    private static long bytesAPosition(Tensor x_BHSD) {
        return bytes(x_BHSD) / x_BHSD.size(2);
    }

    private static long bytes(Tensor x) {
        return x.numel() * x.dtype().bytes();
    }

    private Layer layer(int layer) {
        while (layers.size() <= layer) {
            layers.add(new Layer());
        }
        return layers.get(layer);
    }

    private static KeysValues held(Layer l) {
        return new KeysValues(l.keys.narrow(2, l.start, l.held), l.values.narrow(2, l.start, l.held));
    }

    private static void write(Layer l, Tensor k, Tensor v) {
        long t = k.size(2);
        l.keys.narrow(2, l.start + l.held, t).copy_(k);
        l.values.narrow(2, l.start + l.held, t).copy_(v);
        l.held += t;
        l.length += t;
    }

    /** Puts what is held at the front of buffers of this capacity. */
    private static void move(Layer l, Tensor keysLike, Tensor valuesLike, long held, long capacity) {
        l.keys = moved(l.keys, keysLike, l.start, held, capacity);
        l.values = moved(l.values, valuesLike, l.start, held, capacity);
        l.start = 0;
    }

    private static Tensor moved(Tensor old, Tensor like, long start, long held, long capacity) {
        try (Scope scope = Scope.open()) {
            Tensor fresh = Tensor.empty(like.dtype(), like.device(), like.size(0), like.size(1), capacity, like.size(3))
                    .keep();
            if (old != null) {
                if (held > 0) {
                    fresh.narrow(2, 0, held).copy_(old.narrow(2, start, held));
                }
                old.close();
            }
            return fresh;
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
        for (KeysValues source : sources.values()) {
            source.keys().close();
            source.values().close();
        }
        sources.clear();
        states.values().forEach(Tensor::close);
        states.clear();
    }
}
