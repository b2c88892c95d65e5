package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import quern.tensor.kernel.AdamUpdate.Step;

@Tag("each-path")
class CodedBufferTest {
    private static final int BLOCK = CodedBuffer.BLOCK;

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    private static final float SCALE = 0.7f;

    private static Step numbers(int t) {
        return new Step(0.02, 0.9, 0.99, 1e-6, 0.3, true, t);
    }

    /** One step with fp32 state on decoded moments, then the nearest codes of shares of each block's largest. */
    @Test
    void aStepIsDecodingAdamWAndEncoding() {
        for (int n : new int[] {1, 255, 256, 257, 1024, 1300, 3 * UpdateKernel.TILE + 700}) {
            SplittableRandom random = new SplittableRandom(n);
            try (Arena arena = Arena.ofShared()) {
                float[] start = Segments.random(random, n, 0.5);
                State state = new State(arena, start);
                MemorySegment plain = Segments.floats(arena, start);
                MemorySegment weight = arena.allocate(n * 2L, 2);
                for (int t = 1; t <= 6; t++) {
                    MemorySegment gradient = Segments.of(arena, ElementType.BF16, Segments.random(random, n, 0.1));
                    float[] m = decode(state.first, n);
                    float[] v = decode(state.second, n);
                    MemorySegment mWide = Segments.floats(arena, m);
                    MemorySegment vWide = Segments.floats(arena, v);
                    UpdateKernel.step(
                            new UpdateKernel.Memory(gradient, ElementType.BF16, plain, List.of(mWide, vWide), null, n),
                            0,
                            n,
                            SCALE,
                            new AdamUpdate(numbers(t)));
                    state.step(gradient, ElementType.BF16, weight, t);
                    assertArrayEquals(Segments.toFloats(plain, ElementType.FP32, n), state.weights());
                    assertArrayEquals(
                            Segments.rounded(state.weights(), ElementType.BF16),
                            Segments.toFloats(weight, ElementType.BF16, n));
                    checkCodes(Segments.toFloats(mWide, ElementType.FP32, n), state.first);
                    checkCodes(Segments.toFloats(vWide, ElementType.FP32, n), state.second);
                }
            }
        }
    }

    private static float[] decode(CodedBuffer moment, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = moment.map().decode(moment.codes().get(ValueLayout.JAVA_BYTE, i))
                    * moment.scales().getAtIndex(ValueLayout.JAVA_FLOAT, i / BLOCK);
        }
        return values;
    }

    private static void checkCodes(float[] values, CodedBuffer moment) {
        for (int begin = 0; begin < values.length; begin += BLOCK) {
            int end = Math.min(begin + BLOCK, values.length);
            float largest = 0;
            for (int i = begin; i < end; i++) {
                largest = Math.max(largest, Math.abs(values[i]));
            }
            assertEquals(largest, moment.scales().getAtIndex(ValueLayout.JAVA_FLOAT, begin / BLOCK));
            for (int i = begin; i < end; i++) {
                assertEquals(
                        moment.map().encode(values[i] / largest), moment.codes().get(ValueLayout.JAVA_BYTE, i));
            }
        }
    }

    @Test
    void partsThatBeginBlocksAreTheWhole() {
        int n = 5 * UpdateKernel.TILE + 77;
        float[] start = Segments.random(new SplittableRandom(1), n, 0.5);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment gradient = Segments.floats(arena, Segments.random(new SplittableRandom(2), n, 0.1));
            State whole = new State(arena, start);
            State parts = new State(arena, start);
            for (int t = 1; t <= 3; t++) {
                whole.step(gradient, ElementType.FP32, null, t);
                for (long begin = 0; begin < n; begin += 5L * BLOCK) {
                    parts.part(gradient, begin, Math.min(5L * BLOCK, n - begin), t);
                }
            }
            assertArrayEquals(whole.weights(), parts.weights());
            assertArrayEquals(decode(whole.first, n), decode(parts.first, n));
            assertThrows(IndexOutOfBoundsException.class, () -> parts.part(gradient, 100, 100, 1));
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
                state.step(Segments.floats(arena, gradient), ElementType.FP32, null, t);
            }
            float[] weights = state.weights();
            for (int i = 0; i < 2 * BLOCK; i++) {
                // The decay alone moves them.
                double decayed = start[i] * Math.pow(1 - 0.02 * 0.3, 4);
                assertEquals(i == BLOCK, Math.abs(weights[i] - decayed) > 1e-3, "element " + i);
            }
        }
    }

    @Test
    void aNaNReachesTheWeightsAndTooShortSegmentsAreRefused() {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(arena, new float[] {1, 2, 3});
            state.step(Segments.floats(arena, new float[] {0.1f, Float.NaN, 0.1f}), ElementType.FP32, null, 1);
            assertTrue(Float.isNaN(state.weights()[1]));
            MemorySegment three = arena.allocate(12, 4);
            CodedBuffer tooShort = new CodedBuffer(arena.allocate(3), arena.allocate(4, 4), DynamicMap.SIGNED);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new UpdateKernel.Memory(
                            three, ElementType.FP32, three, List.of(), List.of(tooShort), null, 3));
        }
    }

    private record State(MemorySegment w, CodedBuffer first, CodedBuffer second, int n) {
        State(Arena arena, float[] start) {
            this(
                    Segments.floats(arena, start),
                    buffer(arena, start.length, DynamicMap.SIGNED),
                    buffer(arena, start.length, DynamicMap.UNSIGNED),
                    start.length);
        }

        private static CodedBuffer buffer(Arena arena, int n, DynamicMap map) {
            long blocks = Math.ceilDiv(n, (long) BLOCK);
            return new CodedBuffer(arena.allocate(blocks * BLOCK), arena.allocate(blocks * 4, 4), map);
        }

        void step(MemorySegment gradient, ElementType type, MemorySegment weight, int t) {
            UpdateKernel.step(memory(gradient, type, weight), 0, n, SCALE, new AdamUpdate(numbers(t)));
        }

        void part(MemorySegment gradient, long begin, long length, int t) {
            UpdateKernel.step(
                    memory(gradient, ElementType.FP32, null), begin, length, SCALE, new AdamUpdate(numbers(t)));
        }

        private UpdateKernel.Memory memory(MemorySegment gradient, ElementType type, MemorySegment weight) {
            return new UpdateKernel.Memory(gradient, type, w, List.of(), List.of(first, second), weight, n);
        }

        float[] weights() {
            return Segments.toFloats(w, ElementType.FP32, n);
        }
    }
}
