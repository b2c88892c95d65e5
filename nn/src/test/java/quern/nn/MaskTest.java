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

    /** Row 0 has two tokens of padding before a prefix of two, row 1 a prefix of four. */
    @Test
    void aPrefixSeesItselfWholeAndTheRestWhatIsBefore() {
        long[] real = {0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        int s = 7;
        for (int past : new int[] {0, 5}) {
            int t = s - past;
            Tensor mask = Mask.causalBehindPrefix()
                    .of(t, past, Tensor.of(real, 2, s), Tensor.of(new long[] {2, 4}, 2), DType.FP32, Device.CPU);
            assertArrayEquals(new long[] {2, 1, t, s}, mask.shape());
            for (int row = 0; row < 2; row++) {
                int first = row == 0 ? 2 : 0;
                int end = row == 0 ? 4 : 4;
                for (int q = Math.max(past, first); q < s; q++) {
                    float[] seen =
                            mask.select(0, row).select(0, 0).select(0, q - past).toFloats();
                    for (int k = 0; k < s; k++) {
                        boolean sees = k >= first && (k <= q || k < end);
                        assertEquals(sees ? 0 : Float.NEGATIVE_INFINITY, seen[k], "row " + row + ", " + q + " to " + k);
                    }
                }
            }
        }
        Mask causal = Mask.causal();
        assertArrayEquals(
                causal.of(T, 3, null, DType.FP32, Device.CPU).toFloats(),
                Mask.causalBehindPrefix()
                        .of(T, 3, null, null, DType.FP32, Device.CPU)
                        .toFloats());
        assertThrows(
                IllegalArgumentException.class,
                () -> Mask.causalBehindPrefix().of(T, 2, null, Tensor.of(new long[] {4}, 1), DType.FP32, Device.CPU));
    }

    @Test
    void biasesShrinkWithDistanceOnBothSides() {
        Mask mask = Mask.bidirectional().with(Mask.Alibi.of(4));
        Tensor found = mask.of(T, 2, null, DType.FP32, Device.CPU);
        assertArrayEquals(new long[] {1, 4, T, T + 2}, found.shape());
        float[] biases = found.toFloats();
        for (int h = 0; h < 4; h++) {
            for (int q = 0; q < T; q++) {
                for (int k = 0; k < T + 2; k++) {
                    double bias = -Math.pow(2, -2 * (h + 1)) * Math.abs(q + 2 - k);
                    assertEquals(bias, biases[(h * T + q) * (T + 2) + k], 1e-9, "head " + h + ", " + q + " to " + k);
                }
            }
        }
    }
}
