package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** What a cache returns, and how much it holds. */
class KeyValueCacheTest extends ScopedTest {
    private static final int LENGTH = 300;

    private static Tensor normal(long seed) {
        return Tensor.randn(new RandomStream(seed), 2, 3, LENGTH, 4);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 16, 1000})
    void aWindowReturnsWhatItReachesAndHoldsLittleMore(int window) {
        Tensor keys = normal(1);
        Tensor values = normal(2);
        SplittableRandom random = new SplittableRandom(window);
        try (KeyValueCache cache = new KeyValueCache()) {
            int past = 0;
            while (past < LENGTH) {
                int t = Math.min(LENGTH - past, random.nextInt(4) == 0 ? random.nextInt(1, 60) : 1);
                try (Scope scope = Scope.open()) {
                    KeyValueCache.KeysValues all =
                            cache.append(0, keys.narrow(2, past, t), values.narrow(2, past, t), window);
                    int kept = Math.min(past, window - 1);
                    assertTrue(all.keys().equal(keys.narrow(2, past - kept, kept + t)), "keys at " + past);
                    assertTrue(all.values().equal(values.narrow(2, past - kept, kept + t)), "values at " + past);
                }
                past += t;
                assertEquals(past, cache.length());
                assertTrue(cache.capacity() <= 2L * window, cache.capacity() + " positions for a window of " + window);
            }
        }
    }

    @Test
    void withoutAWindowAllIsHeld() {
        Tensor keys = normal(1);
        Tensor values = normal(2);
        try (KeyValueCache cache = new KeyValueCache()) {
            int past = 0;
            for (int t : new int[] {50, 1, 30, 1, 100, 118}) {
                KeyValueCache.KeysValues all = cache.append(0, keys.narrow(2, past, t), values.narrow(2, past, t));
                past += t;
                assertTrue(all.keys().equal(keys.narrow(2, 0, past)));
                assertTrue(all.values().equal(values.narrow(2, 0, past)));
            }
            assertEquals(LENGTH, cache.length());
            assertTrue(cache.capacity() >= LENGTH);
        }
    }
}
