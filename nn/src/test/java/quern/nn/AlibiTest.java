package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Biases by distance, against numbers worked out by hand. */
class AlibiTest {
    /** Powers of 2 that few bits hold come out exactly. */
    private static final float EXACT = 0;

    @Test
    void slopesArePowersOfOneHalf() {
        assertArrayEquals(
                new float[] {1 / 2f, 1 / 4f, 1 / 8f, 1 / 16f, 1 / 32f, 1 / 64f, 1 / 128f, 1 / 256f},
                Mask.Alibi.of(8).slopes(),
                EXACT);
    }

    @Test
    void betweenPowersTheNextOnesFillTheGaps() {
        assertArrayEquals(
                new float[] {1 / 4f, 1 / 16f, 1 / 64f, 1 / 256f, 1 / 2f, 1 / 8f},
                Mask.Alibi.of(6).slopes(),
                EXACT);
    }

    @Test
    void biasesGrowWithTheKeysPosition() {
        try (Scope scope = Scope.open()) {
            Tensor mask = Mask.causal().with(Mask.Alibi.of(2)).of(2, 1, null, DType.FP32, Device.CPU);
            assertArrayEquals(new long[] {1, 2, 2, 3}, mask.shape());
            float no = Float.NEGATIVE_INFINITY;
            float a = 1 / 16f;
            float b = 1 / 256f;
            assertArrayEquals(new float[] {0, a, no, 0, a, 2 * a, 0, b, no, 0, b, 2 * b}, mask.toFloats(), EXACT);
        }
    }

    @Test
    void positionsCountFromTheFirstRealToken() {
        try (Scope scope = Scope.open()) {
            Tensor padding = Tensor.of(new long[] {0, 1, 1}, 1, 3);
            Tensor mask = Mask.causal().with(Mask.Alibi.of(1)).of(1, 2, padding, DType.FP32, Device.CPU);
            assertArrayEquals(new float[] {Float.NEGATIVE_INFINITY, 0, 1 / 256f}, mask.toFloats(), EXACT);
        }
    }
}
