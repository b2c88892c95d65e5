package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("each-path")
class NormAndAccumulateKernelTest {
    /** Sums of squares in double in another order: n times half an ulp of double, n up to 100,003. */
    private static final double SUM_TOLERANCE = 1e-11;

    private static final int[] SIZES = {0, 1, 7, 16, 31, 1000, Blocks.SIZE, Blocks.SIZE + 1, 100_003};

    private final int before = KernelThreads.count();

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    @AfterEach
    void restore() {
        KernelThreads.setCount(before);
    }

    @ParameterizedTest
    @EnumSource
    void sumsSquares(ElementType type) {
        try (Arena arena = Arena.ofShared()) {
            for (int size : SIZES) {
                float[] values = Segments.random(new SplittableRandom(size), size, 0.1);
                MemorySegment gradient = Segments.of(arena, type, values);
                double expected = 0;
                for (float value : Segments.rounded(values, type)) {
                    expected += (double) value * value;
                }
                assertEquals(
                        expected, NormKernel.sumOfSquares(gradient, type, size), SUM_TOLERANCE * expected, "n " + size);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void theSumHasTheSameBitsForAnyThreads(ElementType type) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment gradient = Segments.of(arena, type, Segments.random(new SplittableRandom(1), 300_001, 1));
            KernelThreads.setCount(1);
            double one = NormKernel.sumOfSquares(gradient, type, 300_001);
            for (int threads = 2; threads <= 4; threads++) {
                KernelThreads.setCount(threads);
                for (int repeat = 0; repeat < 20; repeat++) {
                    assertEquals(one, NormKernel.sumOfSquares(gradient, type, 300_001));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void oneNonFiniteElementShowsAndTheLargestFiniteDoesNot(ElementType type) {
        try (Arena arena = Arena.ofShared()) {
            // The largest finite bfloat16 is finite as a float too.
            float largest = Float.intBitsToFloat(0x7f7f0000);
            float[] values = new float[1003];
            java.util.Arrays.fill(values, largest);
            assertTrue(Double.isFinite(NormKernel.sumOfSquares(Segments.of(arena, type, values), type, 1003)));
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                for (int at : new int[] {0, 500, 1002}) {
                    float[] broken = values.clone();
                    broken[at] = bad;
                    assertFalse(Double.isFinite(NormKernel.sumOfSquares(Segments.of(arena, type, broken), type, 1003)));
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void accumulatesInOneRounding(ElementType type) {
        try (Arena arena = Arena.ofShared()) {
            for (int size : SIZES) {
                float[] sums = Segments.random(new SplittableRandom(size), size, 1);
                float[] values = Segments.random(new SplittableRandom(size + 1), size, 1);
                MemorySegment accumulator = Segments.floats(arena, sums);
                AccumulateKernel.add(accumulator, Segments.of(arena, type, values), type, size, 0.37f);
                float[] rounded = Segments.rounded(values, type);
                float[] expected = new float[size];
                for (int i = 0; i < size; i++) {
                    expected[i] = Math.fma(rounded[i], 0.37f, sums[i]);
                }
                assertArrayEquals(expected, Segments.toFloats(accumulator, ElementType.FP32, size), "n " + size);
            }
        }
    }

    @Test
    void shortOrReadOnlySegmentsAreRefused() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment ten = arena.allocate(40, 4);
            assertThrows(IllegalArgumentException.class, () -> NormKernel.sumOfSquares(ten, ElementType.FP32, 11));
            assertThrows(IllegalArgumentException.class, () -> AccumulateKernel.add(ten, ten, ElementType.FP32, 11, 1));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> AccumulateKernel.add(ten.asReadOnly(), ten, ElementType.BF16, 10, 1));
        }
    }
}
