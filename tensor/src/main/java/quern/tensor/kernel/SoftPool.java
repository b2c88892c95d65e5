package quern.tensor.kernel;

import java.lang.ref.SoftReference;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/** Large arrays that calls of one kind use one after another: kept for the next call unless memory is short. */
final class SoftPool<K, V> {
    private final Map<K, Deque<SoftReference<V>>> free = new HashMap<>();

    /** One that was given back, or a new one. */
    V take(K key, Function<K, V> make) {
        synchronized (this) {
            Deque<SoftReference<V>> kept = free.get(key);
            while (kept != null && !kept.isEmpty()) {
                V value = kept.pop().get();
                if (value != null) {
                    return value;
                }
            }
        }
        return make.apply(key);
    }

    /** Gives one back. */
    synchronized void give(K key, V value) {
        free.computeIfAbsent(key, k -> new ArrayDeque<>()).push(new SoftReference<>(value));
    }
}
