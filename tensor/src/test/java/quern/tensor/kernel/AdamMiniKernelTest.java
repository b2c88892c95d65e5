package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("each-path")
class AdamMiniKernelTest {
    /** Of a weight, or of 1 where that is more: ten steps, each with a few roundings of a float (6e-8). */
    private static final double TOLERANCE = 1e-6;

    private static final double RATE = 0.02;
    private static final float SCALE = 0.7f;

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    private static AdamUpdate.Step numbers(int t) {
        return new AdamUpdate.Step(RATE, 0.9, 0.99, 1e-6, 0.3, true, t);
    }

    /** A parameter's memory. */
    private record State(MemorySegment weight, MemorySegment first, MemorySegment second, MemorySegment narrow, int n) {
        State(Arena arena, float[] start, int blocks) {
            this(
                    Segments.floats(arena, start),
                    Segments.floats(arena, new float[start.length]),
                    Segments.floats(arena, new float[blocks]),
                    arena.allocate(start.length * 2L, 2),
                    start.length);
        }

        AdamMiniKernel at(MemorySegment gradient, ElementType type, int blockLength, int t) {
            return new AdamMiniKernel(
                    new UpdateKernel.Memory(gradient, type, weight, List.of(first), narrow, n),
                    second,
                    blockLength,
                    SCALE,
                    numbers(t));
        }

        float[] weights() {
            return Segments.toFloats(weight, ElementType.FP32, n);
        }
    }

    @Test
    void equalsAPlainLoopInDouble() {
        for (int blockLength : new int[] {1, 2, 15, 16, 17, 64, 200, 4_096, 9_001}) {
            int blocks = 3;
            int n = blocks * blockLength;
            for (ElementType type : ElementType.values()) {
                SplittableRandom random = new SplittableRandom(blockLength);
                try (Arena arena = Arena.ofShared()) {
                    float[] start = Segments.random(random, n, 0.5);
                    State state = new State(arena, start, blocks);
                    double[] w = new double[n];
                    double[] m = new double[n];
                    double[] v = new double[blocks];
                    for (int i = 0; i < n; i++) {
                        w[i] = start[i];
                    }
                    for (int t = 1; t <= 10; t++) {
                        float[] gradient = Segments.random(random, n, 0.1);
                        state.at(Segments.of(arena, type, gradient), type, blockLength, t)
                                .step(0, n);
                        plain(w, m, v, Segments.rounded(gradient, type), blockLength, t);
                    }
                    float[] ours = state.weights();
                    for (int i = 0; i < n; i++) {
                        assertEquals(w[i], ours[i], TOLERANCE * Math.max(1, Math.abs(w[i])), blockLength + " " + type);
                    }
                    assertArrayEquals(
                            Segments.rounded(ours, ElementType.BF16),
                            Segments.toFloats(state.narrow, ElementType.BF16, n));
                }
            }
        }
    }

    private static void plain(double[] w, double[] m, double[] v, float[] gradient, int blockLength, int t) {
        for (int block = 0; block < v.length; block++) {
            double squares = 0;
            for (int i = block * blockLength; i < (block + 1) * blockLength; i++) {
                squares += Math.pow(SCALE * (double) gradient[i], 2);
            }
            v[block] = 0.99 * v[block] + 0.01 * squares / blockLength;
            double root = Math.sqrt(v[block] / (1 - Math.pow(0.99, t))) + 1e-6;
            for (int i = block * blockLength; i < (block + 1) * blockLength; i++) {
                m[i] = 0.9 * m[i] + 0.1 * SCALE * gradient[i];
                w[i] = w[i] * (1 - RATE * 0.3) - RATE * m[i] / (1 - Math.pow(0.9, t)) / root;
            }
        }
    }

    @Test
    void partsOfWholeBlocksAreTheWholeAndOthersAreRefused() {
        int n = 6 * 50;
        float[] start = Segments.random(new SplittableRandom(1), n, 0.5);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment gradient = Segments.floats(arena, Segments.random(new SplittableRandom(2), n, 0.1));
            State whole = new State(arena, start, 6);
            State parts = new State(arena, start, 6);
            whole.at(gradient, ElementType.FP32, 50, 1).step(0, n);
            AdamMiniKernel kernel = parts.at(gradient, ElementType.FP32, 50, 1);
            kernel.step(200, 100);
            kernel.step(0, 200);
            assertArrayEquals(whole.weights(), parts.weights());
            assertThrows(IndexOutOfBoundsException.class, () -> kernel.step(0, 120));
            assertThrows(IndexOutOfBoundsException.class, () -> kernel.step(25, 50));
            assertThrows(IndexOutOfBoundsException.class, () -> kernel.step(250, 100));
            assertThrows(IllegalArgumentException.class, () -> parts.at(gradient, ElementType.FP32, 7, 1));
        }
    }

    @Test
    void aNaNReachesItsWholeBlockAndNoOther() {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(arena, Segments.random(new SplittableRandom(3), 80, 0.5), 2);
            float[] gradient = new float[80];
            gradient[3] = Float.NaN;
            gradient[70] = 1;
            state.at(Segments.floats(arena, gradient), ElementType.FP32, 40, 1).step(0, 80);
            float[] weights = state.weights();
            for (int i = 0; i < 80; i++) {
                assertEquals(i < 40, Float.isNaN(weights[i]), "element " + i);
            }
            assertTrue(Float.isFinite(Segments.toFloats(state.second, ElementType.FP32, 2)[1]));
        }
    }
}
