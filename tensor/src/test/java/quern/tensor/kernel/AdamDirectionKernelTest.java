package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("each-path")
class AdamDirectionKernelTest {
    /** Directions are at most some 3 here; a few roundings of a float (6e-8) in each of ten steps. */
    private static final double TOLERANCE = 3e-6;

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    @Test
    void equalsAPlainLoopInDouble() {
        for (int n : new int[] {1, 15, 16, 17, 1_000}) {
            SplittableRandom random = new SplittableRandom(n);
            try (Arena arena = Arena.ofShared()) {
                MemorySegment first = Segments.floats(arena, new float[n]);
                MemorySegment second = Segments.floats(arena, new float[n]);
                MemorySegment direction = Segments.floats(arena, new float[n]);
                double[] m = new double[n];
                double[] v = new double[n];
                for (int t = 1; t <= 10; t++) {
                    float[] gradient = Segments.random(random, n, 0.1);
                    new AdamDirectionKernel(0.9, 0.99, 1e-6, t)
                            .run(Segments.floats(arena, gradient), first, second, direction, n);
                    float[] ours = Segments.toFloats(direction, ElementType.FP32, n);
                    for (int i = 0; i < n; i++) {
                        m[i] = 0.9 * m[i] + 0.1 * gradient[i];
                        v[i] = 0.99 * v[i] + 0.01 * gradient[i] * gradient[i];
                        double expected =
                                m[i] / (1 - Math.pow(0.9, t)) / (Math.sqrt(v[i] / (1 - Math.pow(0.99, t))) + 1e-6);
                        assertEquals(expected, ours[i], TOLERANCE, n + " elements, step " + t);
                    }
                }
            }
        }
    }

    @Test
    void tooShortAndReadOnlySegmentsAreRefused() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment four = Segments.floats(arena, new float[4]);
            MemorySegment three = four.asSlice(4);
            AdamDirectionKernel kernel = new AdamDirectionKernel(0.9, 0.99, 1e-6, 1);
            assertThrows(IllegalArgumentException.class, () -> kernel.run(three, four, four, four, 4));
            assertThrows(IllegalArgumentException.class, () -> kernel.run(four, three, four, four, 4));
            assertThrows(IllegalArgumentException.class, () -> kernel.run(four, four, four, four.asReadOnly(), 4));
        }
    }
}
