package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import quern.tensor.kernel.AdamW8bitKernel.Moment;
import quern.tensor.kernel.AdamWKernel.Step;

class AdamW8bitKernelTest {
    private static final int BLOCK = AdamW8bitKernel.BLOCK;

    private final int before = KernelThreads.count();

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    @AfterEach
    void restore() {
        KernelThreads.setCount(before);
    }

    /** One step of the 32-bit kernel on decoded moments, then the nearest codes of shares of each block's largest. */
    @Test
    void aStepIsDecodingAdamWAndEncoding() {
        for (int n : new int[] {1, 255, 256, 257, 1024, 1300, Blocks.SIZE + 700}) {
            SplittableRandom random = new SplittableRandom(n);
            try (Arena arena = Arena.ofShared()) {
                float[] start = Segments.random(random, n, 0.5);
                State state = new State(arena, start);
                MemorySegment plain = Segments.floats(arena, start);
                MemorySegment weight = arena.allocate(n * 2L, 2);
                for (int t = 1; t <= 6; t++) {
                    MemorySegment gradient = Segments.of(arena, ElementType.BF16, Segments.random(random, n, 0.1));
                    Step step = new Step(0.02, 0.9, 0.99, 1e-6, 0.3, true, t, 0.7);
                    float[] m = decode(state.first, DynamicMap.SIGNED, n);
                    float[] v = decode(state.second, DynamicMap.UNSIGNED, n);
                    MemorySegment mWide = Segments.floats(arena, m);
                    MemorySegment vWide = Segments.floats(arena, v);
                    AdamWKernel.step(gradient, ElementType.BF16, plain, mWide, vWide, null, n, step);
                    state.step(gradient, ElementType.BF16, weight, step);
                    assertArrayEquals(Segments.toFloats(plain, ElementType.FP32, n), state.weights());
                    assertArrayEquals(
                            Segments.rounded(state.weights(), ElementType.BF16),
                            Segments.toFloats(weight, ElementType.BF16, n));
                    checkCodes(Segments.toFloats(mWide, ElementType.FP32, n), state.first, DynamicMap.SIGNED);
                    checkCodes(Segments.toFloats(vWide, ElementType.FP32, n), state.second, DynamicMap.UNSIGNED);
                }
            }
        }
    }

    private static float[] decode(Moment moment, DynamicMap map, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = map.decode(moment.codes().get(ValueLayout.JAVA_BYTE, i))
                    * moment.scales().getAtIndex(ValueLayout.JAVA_FLOAT, i / BLOCK);
        }
        return values;
    }

    private static void checkCodes(float[] values, Moment moment, DynamicMap map) {
        for (int begin = 0; begin < values.length; begin += BLOCK) {
            int end = Math.min(begin + BLOCK, values.length);
            float largest = 0;
            for (int i = begin; i < end; i++) {
                largest = Math.max(largest, Math.abs(values[i]));
            }
            assertEquals(largest, moment.scales().getAtIndex(ValueLayout.JAVA_FLOAT, begin / BLOCK));
            for (int i = begin; i < end; i++) {
                assertEquals(map.encode(values[i] / largest), moment.codes().get(ValueLayout.JAVA_BYTE, i));
            }
        }
    }

    @Test
    void theSameBitsForAnyThreads() {
        int n = 5 * Blocks.SIZE + 77;
        float[] start = Segments.random(new SplittableRandom(1), n, 0.5);
        float[] gradient = Segments.random(new SplittableRandom(2), n, 0.1);
        float[] first = null;
        for (int threads = 1; threads <= 4; threads++) {
            KernelThreads.setCount(threads);
            try (Arena arena = Arena.ofShared()) {
                State state = new State(arena, start);
                for (int t = 1; t <= 3; t++) {
                    Step step = new Step(0.02, 0.9, 0.99, 1e-6, 0.3, true, t, 1);
                    state.step(Segments.floats(arena, gradient), ElementType.FP32, null, step);
                }
                if (first == null) {
                    first = state.weights();
                }
                assertArrayEquals(first, state.weights());
            }
        }
    }

    @Test
    void aBlockWithoutGradientStaysAtZero() {
        try (Arena arena = Arena.ofShared()) {
            float[] start = Segments.random(new SplittableRandom(3), 2 * BLOCK, 0.5);
            State state = new State(arena, start);
            float[] gradient = new float[2 * BLOCK];
            gradient[BLOCK] = 1;
            for (int t = 1; t <= 4; t++) {
                Step step = new Step(0.1, 0.9, 0.99, 1e-8, 0, true, t, 1);
                state.step(Segments.floats(arena, gradient), ElementType.FP32, null, step);
            }
            float[] weights = state.weights();
            for (int i = 0; i < 2 * BLOCK; i++) {
                assertEquals(i == BLOCK, weights[i] != start[i], "element " + i);
            }
        }
    }

    @Test
    void aNaNReachesTheWeightsAndTooShortSegmentsAreRefused() {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(arena, new float[] {1, 2, 3});
            Step step = new Step(0.01, 0.9, 0.99, 1e-8, 0, true, 1, 1);
            state.step(Segments.floats(arena, new float[] {0.1f, Float.NaN, 0.1f}), ElementType.FP32, null, step);
            assertTrue(Float.isNaN(state.weights()[1]));
            MemorySegment long3 = arena.allocate(12, 4);
            Moment tooShort = new Moment(arena.allocate(3), arena.allocate(4, 4));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> AdamW8bitKernel.step(long3, ElementType.FP32, long3, tooShort, state.second, null, 3, step));
        }
    }

    private record State(MemorySegment w, Moment first, Moment second, int n) {
        State(Arena arena, float[] start) {
            this(Segments.floats(arena, start), moment(arena, start.length), moment(arena, start.length), start.length);
        }

        private static Moment moment(Arena arena, int n) {
            long blocks = Math.ceilDiv(n, (long) BLOCK);
            return new Moment(arena.allocate(blocks * BLOCK), arena.allocate(blocks * 4, 4));
        }

        void step(MemorySegment gradient, ElementType type, MemorySegment weight, Step step) {
            AdamW8bitKernel.step(gradient, type, w, first, second, weight, n, step);
        }

        float[] weights() {
            return Segments.toFloats(w, ElementType.FP32, n);
        }
    }
}
