package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** Which keys a query sees. */
class MaskTest extends ScopedTest {
    private static final int T = 5;

    private interface Sees {
        boolean key(int query, int key);
    }

    /** Compares a mask for T queries after {@code past} positions with its definition, for the keys a cache keeps. */
    private static void holds(Mask mask, int past, Sees sees) {
        int kept = (int) mask.kept(past);
        float[] expected = new float[T * (kept + T)];
        for (int t = 0; t < T; t++) {
            for (int s = 0; s < kept + T; s++) {
                boolean seen = sees.key(past + t, past - kept + s);
                expected[t * (kept + T) + s] = seen ? 0 : Float.NEGATIVE_INFINITY;
            }
        }
        Tensor found = mask.of(T, past, null, DType.FP32, Device.CPU);
        assertArrayEquals(new long[] {T, kept + T}, found.shape());
        assertArrayEquals(expected, found.toFloats());
    }

    @Test
    void equalsTheDefinition() {
        for (int past : new int[] {0, 1, 3, 12}) {
            holds(Mask.causal(), past, (q, k) -> k <= q);
            for (int window : new int[] {1, 2, 4, 40}) {
                holds(Mask.slidingWindow(window), past, (q, k) -> k <= q && q - k < window);
            }
        }
        holds(Mask.bidirectional(), 0, (q, k) -> true);
        for (int reach : new int[] {0, 1, 3, 9}) {
            holds(Mask.bidirectional(reach), 0, (q, k) -> Math.abs(q - k) <= reach);
        }
    }

    @Test
    void aWindowKeepsNoMoreThanItReaches() {
        assertEquals(3, Mask.slidingWindow(4).kept(100));
        assertEquals(2, Mask.slidingWindow(4).kept(2));
        assertEquals(100, Mask.causal().kept(100));
        assertThrows(IllegalArgumentException.class, () -> Mask.slidingWindow(0));
    }

    @Test
    void aRowThatPaddingLeavesBlindStaysFinite() {
        Tensor padding = Tensor.of(new long[] {0, 0, 0, 1, 1, 1, 1, 1, 1, 1}, 2, T);
        Tensor mask = Mask.slidingWindow(2).of(T, 0, padding, DType.FP32, Device.CPU);
        assertArrayEquals(new long[] {2, 1, T, T}, mask.shape());
        assertEquals(1, mask.amax(false, -1).isFinite().to(DType.FP32).mean().item(), "no row is blind");
        float[] fourth = mask.select(0, 0).select(0, 0).select(0, 3).toFloats();
        float hidden = Float.NEGATIVE_INFINITY;
        assertArrayEquals(new float[] {hidden, hidden, hidden, 0, hidden}, fourth);
    }
}
