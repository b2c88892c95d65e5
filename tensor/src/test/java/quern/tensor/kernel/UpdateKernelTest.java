package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongFunction;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import quern.tensor.kernel.AdamUpdate.Step;

@Tag("each-path")
class UpdateKernelTest {
    /** Of the array's largest value, or of the first weights' where that is more: ten steps, each with a few roundings of a float (6e-8). */
    private static final double TOLERANCE = 1e-6;

    private static final int STEPS = 10;
    private static final double RATE = 0.02;
    private static final float SCALE = 0.7f;

    /**
     * One update under test.
     *
     * @param buffers the number of its buffers
     * @param at the update of step t
     * @param plain the same for one element, in double
     * @param places the number of buffers, the first ones, that hold places of weights: sums of steps that may cancel
     */
    private record Formula(String name, int buffers, LongFunction<Update> at, Plain plain, int places) {
        Formula(String name, int buffers, LongFunction<Update> at, Plain plain) {
            this(name, buffers, at, plain, 0);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /** Updates the buffers of an element and returns its new weight. */
    private interface Plain {
        double step(double w, double g, double[] b, long t);
    }

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    private static Formula adam(boolean decoupled) {
        return new Formula(
                decoupled ? "adamw" : "adam",
                2,
                t -> new AdamUpdate(new Step(RATE, 0.9, 0.99, 1e-6, 0.3, decoupled, t)),
                (w, g, b, t) -> {
                    double d = decoupled ? g : penalised(w, g, 0.3);
                    b[0] = 0.9 * b[0] + 0.1 * d;
                    b[1] = 0.99 * b[1] + 0.01 * d * d;
                    double step = b[0] / (1 - Math.pow(0.9, t)) / (Math.sqrt(b[1] / (1 - Math.pow(0.99, t))) + 1e-6);
                    return (decoupled ? w * (1 - RATE * 0.3) : w) - RATE * step;
                });
    }

    /**
     * A gradient with its penalty, rounded to a float. Where the two nearly cancel, the first step's direction is that of
     * the rounding, in torch too.
     */
    private static double penalised(double w, double g, double decay) {
        return Math.fma((float) decay, (float) w, (float) g);
    }

    static Stream<Formula> formulas() {
        return Stream.of(
                adam(true),
                adam(false),
                new Formula(
                        "sgd",
                        0,
                        t -> new SgdUpdate(RATE, 0.3, 0, 0, false, t == 1),
                        (w, g, b, t) -> w - RATE * (g + 0.3 * w)),
                new Formula("sgd momentum", 1, t -> new SgdUpdate(RATE, 0.3, 0.9, 0.4, false, t == 1), (w, g, b, t) -> {
                    double d = g + 0.3 * w;
                    b[0] = t == 1 ? d : 0.9 * b[0] + 0.6 * d;
                    return w - RATE * b[0];
                }),
                new Formula("sgd nesterov", 1, t -> new SgdUpdate(RATE, 0, 0.9, 0, true, t == 1), (w, g, b, t) -> {
                    b[0] = t == 1 ? g : 0.9 * b[0] + g;
                    return w - RATE * (g + 0.9 * b[0]);
                }),
                new Formula("lion", 1, t -> new LionUpdate(RATE, 0.9, 0.99, 0.3), (w, g, b, t) -> {
                    double direction = Math.signum(0.9 * b[0] + 0.1 * g);
                    b[0] = 0.99 * b[0] + 0.01 * g;
                    return w * (1 - RATE * 0.3) - RATE * direction;
                }),
                new Formula("adagrad", 1, t -> new AdagradUpdate(RATE, 0.3, 1e-6), (w, g, b, t) -> {
                    double d = penalised(w, g, 0.3);
                    b[0] += d * d;
                    return w - RATE * d / (Math.sqrt(b[0]) + 1e-6);
                }),
                new Formula("adan", 4, t -> new AdanUpdate(RATE, 0.98, 0.92, 0.99, 1e-6, 0.3, t), (w, g, b, t) -> {
                    double d = t == 1 ? 0 : g - b[3];
                    b[0] = 0.98 * b[0] + 0.02 * g;
                    b[1] = 0.92 * b[1] + 0.08 * d;
                    b[2] = 0.99 * b[2] + 0.01 * (g + 0.92 * d) * (g + 0.92 * d);
                    b[3] = g;
                    double up = b[0] / (1 - Math.pow(0.98, t)) + 0.92 * b[1] / (1 - Math.pow(0.92, t));
                    return (w - RATE * up / (Math.sqrt(b[2] / (1 - Math.pow(0.99, t))) + 1e-6)) / (1 + RATE * 0.3);
                }),
                new Formula(
                        "schedule free",
                        2,
                        t -> new ScheduleFreeUpdate(RATE, 0.9, 0.99, 1e-6, 0.3, 1.0 / (t + 1), t),
                        (w, g, b, t) -> {
                            b[1] = 0.99 * b[1] + 0.01 * g * g;
                            double d = g / (Math.sqrt(b[1] / (1 - Math.pow(0.99, t))) + 1e-6) + 0.3 * w;
                            double share = 1.0 / (t + 1);
                            // The average that w lies between z and, moved on.
                            double average = (w - 0.1 * b[0]) / 0.9;
                            b[0] -= RATE * d;
                            average += share * (b[0] - average);
                            return 0.1 * b[0] + 0.9 * average;
                        },
                        1));
    }

    static Stream<Arguments> forms() {
        return formulas()
                .flatMap(formula -> Stream.of(ElementType.values())
                        .flatMap(type -> Stream.of(true, false).map(writes -> Arguments.of(formula, type, writes))));
    }

    @ParameterizedTest
    @MethodSource("forms")
    void equalsAPlainLoopInDouble(Formula formula, ElementType gradientType, boolean writesWeight) {
        for (int n : new int[] {1, 15, 16, 1023, 1024, 1025, 4 * UpdateKernel.TILE + 5}) {
            SplittableRandom random = new SplittableRandom(n);
            try (Arena arena = Arena.ofShared()) {
                float[] start = Segments.random(random, n, 0.5);
                double[] w = IntStream.range(0, n).mapToDouble(i -> start[i]).toArray();
                double[][] buffers = new double[n][formula.buffers()];
                State state = new State(arena, start, formula.buffers(), writesWeight);
                for (long t = 1; t <= STEPS; t++) {
                    float[] gradient = Segments.random(random, n, 0.1);
                    state.step(
                            Segments.of(arena, gradientType, gradient),
                            gradientType,
                            formula.at().apply(t));
                    float[] seen = Segments.rounded(gradient, gradientType);
                    for (int i = 0; i < n; i++) {
                        w[i] = formula.plain().step(w[i], seen[i] * SCALE, buffers[i], t);
                    }
                }
                double size = largest(IntStream.range(0, n).mapToDouble(i -> start[i]));
                assertNear(w, state.weights(), size);
                for (int b = 0; b < formula.buffers(); b++) {
                    int buffer = b;
                    double[] expected =
                            Stream.of(buffers).mapToDouble(of -> of[buffer]).toArray();
                    assertNear(
                            expected,
                            Segments.toFloats(state.buffers.get(b), ElementType.FP32, n),
                            b < formula.places() ? size : 0);
                }
                if (writesWeight) {
                    assertArrayEquals(
                            Segments.rounded(state.weights(), ElementType.BF16),
                            Segments.toFloats(state.narrow, ElementType.BF16, n));
                }
            }
        }
    }

    /** Printed by torch 2.15: {@code torch.optim.AdamW} and {@code Adam} with the gradients below. */
    @Test
    void tenStepsAreTorchs() {
        checkAgainstTorch(
                true,
                new double[] {-1.48176169, -0.259953648, 0.960683107, -0.956470132, 0.231440634, 1.48724949},
                new double[] {0.0547469966, -0.0331953242, -0.00451074215, -0.0266682003, -0.0334181488, 0.05157407},
                new double[] {0.0536781028, 0.0644084215, 0.0686543882, 0.0526189059, 0.067878902, 0.0653093457});
        checkAgainstTorch(
                false,
                new double[] {-1.46123266, -0.257240415, 0.951878726, -0.947133005, 0.22884275, 1.46103728},
                new double[] {-0.0412786826, -0.0501801893, 0.058668673, -0.0896947831, -0.0181162842, 0.147733852},
                new double[] {0.0538607165, 0.065550603, 0.0733783916, 0.0605495237, 0.0676249936, 0.0807212442});
    }

    private static void checkAgainstTorch(boolean decoupled, double[] weights, double[] first, double[] second) {
        try (Arena arena = Arena.ofShared()) {
            int n = weights.length;
            float[] start = new float[n];
            float[] gradient = new float[n];
            for (int i = 0; i < n; i++) {
                start[i] = ((i * 5) % 13 - 6) / 4f;
            }
            State state = new State(arena, start, 2, false);
            for (int t = 1; t <= STEPS; t++) {
                for (int i = 0; i < n; i++) {
                    // More than the gradient, taken back by the scale: it comes before the moments.
                    gradient[i] = ((i * 7 + t * 3) % 11 - 5) / 8f / SCALE;
                }
                Update update = new AdamUpdate(new Step(0.01, 0.9, 0.95, 1e-8, 0.1, decoupled, t));
                state.step(Segments.floats(arena, gradient), ElementType.FP32, update);
            }
            assertNear(weights, state.weights());
            assertNear(first, Segments.toFloats(state.buffers.get(0), ElementType.FP32, n));
            assertNear(second, Segments.toFloats(state.buffers.get(1), ElementType.FP32, n));
        }
    }

    @ParameterizedTest
    @MethodSource("formulas")
    void theSameBitsHoweverTheElementsAreCut(Formula formula) {
        int n = 3 * UpdateKernel.TILE + 77;
        float[] start = Segments.random(new SplittableRandom(1), n, 0.5);
        float[] gradient = Segments.random(new SplittableRandom(2), n, 0.1);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment g = Segments.of(arena, ElementType.BF16, gradient);
            State whole = new State(arena, start, formula.buffers(), true);
            State cut = new State(arena, start, formula.buffers(), true);
            for (long t = 1; t <= 3; t++) {
                Update update = formula.at().apply(t);
                whole.step(g, ElementType.BF16, update);
                UpdateKernel.Memory memory = cut.memory(g, ElementType.BF16);
                UpdateKernel.step(memory, 1_500, n - 1_500, SCALE, update);
                UpdateKernel.step(memory, 0, 1_500, SCALE, update);
            }
            assertArrayEquals(whole.weights(), cut.weights());
            assertArrayEquals(
                    Segments.toFloats(whole.narrow, ElementType.BF16, n),
                    Segments.toFloats(cut.narrow, ElementType.BF16, n));
        }
    }

    @Test
    void lambMeasuresInItsFirstPassAndMovesInItsSecond() {
        int n = UpdateKernel.TILE + 300;
        SplittableRandom random = new SplittableRandom(3);
        float[] start = Segments.random(random, n, 0.5);
        float[] gradient = Segments.random(random, n, 0.1);
        try (Arena arena = Arena.ofShared()) {
            MemorySegment g = Segments.floats(arena, gradient);
            State state = new State(arena, start, 2, true);
            LambUpdate numbers = new LambUpdate(0.9, 0.99, 1e-6, 0.3, true, 1);
            LambUpdate.Moments moments = new LambUpdate.Moments(numbers);
            state.step(g, ElementType.FP32, moments);
            assertArrayEquals(start, state.weights());
            double[] expected = new double[n];
            double weightSquares = 0;
            double directionSquares = 0;
            for (int i = 0; i < n; i++) {
                double scaled = gradient[i] * SCALE;
                double u = scaled / (Math.abs(scaled) + 1e-6) + 0.3 * start[i];
                weightSquares += (double) start[i] * start[i];
                directionSquares += u * u;
                expected[i] = start[i] - 0.05 * u;
            }
            assertEquals(weightSquares, moments.weightSquares(), TOLERANCE * weightSquares);
            assertEquals(directionSquares, moments.directionSquares(), TOLERANCE * directionSquares);
            float[] m = Segments.toFloats(state.buffers.get(0), ElementType.FP32, n);
            state.step(g, ElementType.FP32, new LambUpdate.Weights(numbers, 0.05));
            assertNear(expected, state.weights());
            assertArrayEquals(m, Segments.toFloats(state.buffers.get(0), ElementType.FP32, n));
            assertArrayEquals(
                    Segments.rounded(state.weights(), ElementType.BF16),
                    Segments.toFloats(state.narrow, ElementType.BF16, n));
        }
    }

    @ParameterizedTest
    @MethodSource("formulas")
    void aNaNStaysInItsElement(Formula formula) {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(arena, new float[] {1, 2, 3}, formula.buffers(), true);
            MemorySegment gradient = Segments.of(arena, ElementType.BF16, 0.1f, Float.NaN, 0.1f);
            state.step(gradient, ElementType.BF16, formula.at().apply(1));
            float[] weights = Segments.toFloats(state.narrow, ElementType.BF16, 3);
            // Lion takes the sign of a NaN as zero, as torch does; its momentum keeps the NaN.
            float reached = formula.name().equals("lion")
                    ? Segments.toFloats(state.buffers.getFirst(), ElementType.FP32, 3)[1]
                    : weights[1];
            assertTrue(Float.isNaN(reached));
            assertTrue(Float.isFinite(weights[0]) && Float.isFinite(weights[2]));
        }
    }

    @ParameterizedTest
    @MethodSource("formulas")
    void nothingOutsideTheElementsIsTouched(Formula formula) {
        try (Arena arena = Arena.ofShared()) {
            State state = new State(arena, new float[] {1, 2, 3, 4}, formula.buffers(), true);
            MemorySegment gradient = Segments.of(arena, ElementType.FP32, 1, 1, 1, 1);
            UpdateKernel.step(
                    state.memory(gradient, ElementType.FP32),
                    1,
                    2,
                    SCALE,
                    formula.at().apply(1));
            float[] weights = state.weights();
            assertEquals(1, weights[0]);
            assertTrue(weights[1] < 2 && weights[2] < 3);
            assertEquals(4, weights[3]);
            float[] narrow = Segments.toFloats(state.narrow, ElementType.BF16, 4);
            assertEquals(0, narrow[0]);
            assertEquals(0, narrow[3]);
            for (MemorySegment buffer : state.buffers) {
                assertEquals(0, Segments.toFloats(buffer, ElementType.FP32, 4)[0]);
                assertEquals(0, Segments.toFloats(buffer, ElementType.FP32, 4)[3]);
            }
        }
    }

    @Test
    void wrongCallsAreRefused() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment three = arena.allocate(12, 4);
            List<MemorySegment> none = List.of();
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new UpdateKernel.Memory(three, ElementType.FP32, three, none, null, 4));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new UpdateKernel.Memory(three, ElementType.FP32, three.asReadOnly(), none, null, 3));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> new UpdateKernel.Memory(three, ElementType.FP32, three, List.of(three.asSlice(4)), null, 3));
            UpdateKernel.Memory memory = new UpdateKernel.Memory(three, ElementType.FP32, three, none, null, 3);
            Update update = new SgdUpdate(0.1, 0, 0, 0, false, true);
            assertThrows(IndexOutOfBoundsException.class, () -> UpdateKernel.step(memory, 1, 3, 1, update));
            assertThrows(IndexOutOfBoundsException.class, () -> UpdateKernel.step(memory, -1, 2, 1, update));
        }
        assertThrows(IllegalArgumentException.class, () -> new Step(0.1, 1, 0.9, 1, 0, true, 1));
        assertThrows(IllegalArgumentException.class, () -> new Step(0.1, 0.9, Double.NaN, 1, 0, true, 1));
        assertThrows(IllegalArgumentException.class, () -> new Step(0.1, 0.9, 0.9, 1, 0, true, 0));
    }

    private static double largest(DoubleStream values) {
        return values.map(Math::abs).max().orElse(0);
    }

    private static void assertNear(double[] expected, float[] actual) {
        assertNear(expected, actual, 0);
    }

    private static void assertNear(double[] expected, float[] actual, double least) {
        double largest = Math.max(least, largest(Arrays.stream(expected)));
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], TOLERANCE * largest, "element " + i);
        }
    }

    /** A parameter's memory. */
    private record State(MemorySegment w, List<MemorySegment> buffers, MemorySegment narrow, int n) {
        State(Arena arena, float[] start, int buffers, boolean writesWeight) {
            this(
                    Segments.floats(arena, start),
                    IntStream.range(0, buffers)
                            .mapToObj(i -> arena.allocate(start.length * 4L, 4))
                            .toList(),
                    writesWeight ? arena.allocate(start.length * 2L, 2) : null,
                    start.length);
        }

        UpdateKernel.Memory memory(MemorySegment gradient, ElementType type) {
            return new UpdateKernel.Memory(gradient, type, w, buffers, narrow, n);
        }

        void step(MemorySegment gradient, ElementType type, Update update) {
            UpdateKernel.step(memory(gradient, type), 0, n, SCALE, update);
        }

        float[] weights() {
            return Segments.toFloats(w, ElementType.FP32, n);
        }
    }
}
