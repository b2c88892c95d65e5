package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import quern.tensor.kernel.AdamWKernel.Step;

class AdamWKernelTest {
    /** Of the array's largest value: ten steps, each with a few roundings of a float (6e-8). */
    private static final double TOLERANCE = 1e-6;

    private static final int STEPS = 10;

    private final int before = KernelThreads.count();

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    @AfterEach
    void restore() {
        KernelThreads.setCount(before);
    }

    /** Printed by torch 2.15: {@code torch.optim.AdamW} and {@code Adam} with the gradients below. */
    @Test
    void tenStepsAreTorchs() {
        checkAgainstTorch(
                true,
                new float[] {-1.48176169f, -0.259953648f, 0.960683107f, -0.956470132f, 0.231440634f, 1.48724949f},
                new float[] {0.0547469966f, -0.0331953242f, -0.00451074215f, -0.0266682003f, -0.0334181488f, 0.05157407f
                },
                new float[] {0.0536781028f, 0.0644084215f, 0.0686543882f, 0.0526189059f, 0.067878902f, 0.0653093457f});
        checkAgainstTorch(
                false,
                new float[] {-1.46123266f, -0.257240415f, 0.951878726f, -0.947133005f, 0.22884275f, 1.46103728f},
                new float[] {-0.0412786826f, -0.0501801893f, 0.058668673f, -0.0896947831f, -0.0181162842f, 0.147733852f
                },
                new float[] {0.0538607165f, 0.065550603f, 0.0733783916f, 0.0605495237f, 0.0676249936f, 0.0807212442f});
    }

    private static void checkAgainstTorch(boolean decoupled, float[] weights, float[] first, float[] second) {
        try (Arena arena = Arena.ofShared()) {
            int n = weights.length;
            MemorySegment master = arena.allocate(n * 4L, 4);
            MemorySegment m = arena.allocate(n * 4L, 4);
            MemorySegment v = arena.allocate(n * 4L, 4);
            MemorySegment gradient = arena.allocate(n * 4L, 4);
            for (int i = 0; i < n; i++) {
                Lanes.set(master, ElementType.FP32, i, ((i * 5) % 13 - 6) / 4f);
            }
            for (int t = 1; t <= STEPS; t++) {
                for (int i = 0; i < n; i++) {
                    // Twice the gradient, taken back by the scale: it comes before the moments.
                    Lanes.set(gradient, ElementType.FP32, i, ((i * 7 + t * 3) % 11 - 5) / 4f);
                }
                Step step = new Step(0.01, 0.9, 0.95, 1e-8, 0.1, decoupled, t, 0.5);
                AdamWKernel.step(gradient, ElementType.FP32, master, m, v, null, n, step);
            }
            assertNear(weights, Segments.toFloats(master, ElementType.FP32, n));
            assertNear(first, Segments.toFloats(m, ElementType.FP32, n));
            assertNear(second, Segments.toFloats(v, ElementType.FP32, n));
        }
    }

    static Stream<Arguments> forms() {
        return Stream.of(ElementType.values())
                .flatMap(type -> Stream.of(true, false)
                        .flatMap(writes ->
                                Stream.of(true, false).map(decoupled -> Arguments.of(type, writes, decoupled))));
    }

    @ParameterizedTest
    @MethodSource("forms")
    void equalsAPlainLoopInDouble(ElementType gradientType, boolean writesWeight, boolean decoupled) {
        for (int n : new int[] {1, 15, 16, 1023, 1024, 1025, Blocks.SIZE + 1029}) {
            SplittableRandom random = new SplittableRandom(n);
            try (Arena arena = Arena.ofShared()) {
                float[] start = Segments.random(random, n, 0.5);
                double[] w = new double[n];
                double[] m = new double[n];
                double[] v = new double[n];
                for (int i = 0; i < n; i++) {
                    w[i] = start[i];
                }
                State state = new State(arena, start);
                MemorySegment weight = writesWeight ? arena.allocate(n * 2L, 2) : null;
                for (int t = 1; t <= STEPS; t++) {
                    float[] gradient = Segments.random(random, n, 0.1);
                    Step step = new Step(0.02, 0.9, 0.99, 1e-6, 0.3, decoupled, t, 0.7);
                    state.step(Segments.of(arena, gradientType, gradient), gradientType, weight, step);
                    plain(w, m, v, Segments.rounded(gradient, gradientType), step);
                }
                assertNear(w, state.weights());
                assertNear(m, Segments.toFloats(state.m, ElementType.FP32, n));
                assertNear(v, Segments.toFloats(state.v, ElementType.FP32, n));
                if (writesWeight) {
                    assertArrayEquals(
                            Segments.rounded(state.weights(), ElementType.BF16),
                            Segments.toFloats(weight, ElementType.BF16, n));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("forms")
    void theSameBitsForAnyThreads(ElementType gradientType, boolean writesWeight, boolean decoupled) {
        int n = 5 * Blocks.SIZE + 77;
        float[] start = Segments.random(new SplittableRandom(1), n, 0.5);
        float[] gradient = Segments.random(new SplittableRandom(2), n, 0.1);
        float[] first = null;
        for (int threads = 1; threads <= 4; threads++) {
            KernelThreads.setCount(threads);
            try (Arena arena = Arena.ofShared()) {
                State state = new State(arena, start);
                MemorySegment weight = writesWeight ? arena.allocate(n * 2L, 2) : null;
                for (int t = 1; t <= 3; t++) {
                    Step step = new Step(0.02, 0.9, 0.99, 1e-6, 0.3, decoupled, t, 1);
                    state.step(Segments.of(arena, gradientType, gradient), gradientType, weight, step);
                }
                if (first == null) {
                    first = state.weights();
                }
                assertArrayEquals(first, state.weights());
            }
        }
    }

    @Test
    void aNaNReachesTheWeights() {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(arena, new float[] {1, 2, 3});
            MemorySegment weight = arena.allocate(6, 2);
            MemorySegment gradient = Segments.of(arena, ElementType.BF16, 0.1f, Float.NaN, 0.1f);
            state.step(gradient, ElementType.BF16, weight, new Step(0.01, 0.9, 0.99, 1e-8, 0, true, 1, 1));
            float[] weights = Segments.toFloats(weight, ElementType.BF16, 3);
            assertTrue(Float.isNaN(weights[1]));
            assertTrue(Float.isFinite(weights[0]) && Float.isFinite(weights[2]));
        }
    }

    @Test
    void nothingBehindTheElementsIsTouched() {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(arena, new float[] {1, 2, 3, 4});
            MemorySegment weight = Segments.of(arena, ElementType.BF16, 9, 9, 9, 9);
            MemorySegment gradient = Segments.of(arena, ElementType.FP32, 1, 1, 1, 1);
            AdamWKernel.step(
                    gradient,
                    ElementType.FP32,
                    state.w,
                    state.m,
                    state.v,
                    weight,
                    3,
                    new Step(0.1, 0, 0, 1, 0, true, 1, 1));
            assertEquals(4, state.weights()[3]);
            assertEquals(9, Segments.toFloats(weight, ElementType.BF16, 4)[3]);
            assertEquals(0, Segments.toFloats(state.m, ElementType.FP32, 4)[3]);
        }
    }

    @Test
    void wrongCallsAreRefused() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment three = arena.allocate(12, 4);
            Step step = new Step(0.1, 0.9, 0.9, 1, 0, true, 1, 1);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> AdamWKernel.step(three, ElementType.FP32, three, three, three, null, 4, step));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> AdamWKernel.step(three, ElementType.FP32, three.asReadOnly(), three, three, null, 3, step));
        }
        assertThrows(IllegalArgumentException.class, () -> new Step(0.1, 1, 0.9, 1, 0, true, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new Step(0.1, 0.9, Double.NaN, 1, 0, true, 1, 1));
        assertThrows(IllegalArgumentException.class, () -> new Step(0.1, 0.9, 0.9, 1, 0, true, 0, 1));
    }

    /**
     * The formulas of the papers, in double; only the penalised gradient is a float. Where its two terms nearly cancel,
     * the first step's direction is that of its rounding, in torch too.
     */
    private static void plain(double[] w, double[] m, double[] v, float[] gradient, Step s) {
        double correction1 = 1 - Math.pow(s.beta1(), s.step());
        double correction2 = 1 - Math.pow(s.beta2(), s.step());
        for (int i = 0; i < w.length; i++) {
            double g = gradient[i] * s.gradientScale();
            if (s.decoupled()) {
                w[i] -= s.learningRate() * s.weightDecay() * w[i];
            } else {
                g = Math.fma((float) s.weightDecay(), (float) w[i], gradient[i] * (float) s.gradientScale());
            }
            m[i] = s.beta1() * m[i] + (1 - s.beta1()) * g;
            v[i] = s.beta2() * v[i] + (1 - s.beta2()) * g * g;
            w[i] -= s.learningRate() * (m[i] / correction1) / (Math.sqrt(v[i] / correction2) + s.epsilon());
        }
    }

    private static void assertNear(float[] expected, float[] actual) {
        double[] wide = new double[expected.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = expected[i];
        }
        assertNear(wide, actual);
    }

    private static void assertNear(double[] expected, float[] actual) {
        double largest = 0;
        for (double value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], TOLERANCE * largest, "element " + i);
        }
    }

    private record State(MemorySegment w, MemorySegment m, MemorySegment v, int n) {
        State(Arena arena, float[] start) {
            this(
                    Segments.floats(arena, start),
                    arena.allocate(start.length * 4L, 4),
                    arena.allocate(start.length * 4L, 4),
                    start.length);
        }

        void step(MemorySegment gradient, ElementType type, MemorySegment weight, Step step) {
            AdamWKernel.step(gradient, type, w, m, v, weight, n, step);
        }

        float[] weights() {
            return Segments.toFloats(w, ElementType.FP32, n);
        }
    }
}
