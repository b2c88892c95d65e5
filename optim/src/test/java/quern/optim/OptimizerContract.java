package quern.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.IntToDoubleFunction;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import quern.optim.internal.OptimizerReplay;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCase;
import quern.recipe.Goldens;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Native;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * What every optimizer must keep: parity with its goldens, the same bits for the same input, state that continues bit for
 * bit, work that can be divided as finely as it says, three toy problems solved, bf16 weights that follow their fp32
 * masters, no leak. A technique's test extends this class and adds a law of its own.
 */
@Tag("each-path-nightly")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class OptimizerContract {
    private static final long[][] SHAPES = {{33, 70}, {5}, {}, {2, 3, 7}, {40_000}, {1}};

    /**
     * A configuration under test.
     *
     * @param quadraticRate the rate that solves the quadratic in 1,000 steps
     * @param rosenbrockRate the rate that solves Rosenbrock's function in 5,000 steps; empty where it is out of reach
     */
    public record Variant(
            String name,
            Record config,
            OptimizerSettings settings,
            double quadraticRate,
            OptionalDouble rosenbrockRate) {
        @Override
        public String toString() {
            return name;
        }
    }

    /** The technique under test. */
    protected abstract OptimizerTechnique technique();

    /** Its configurations, at least one for each way that it computes. */
    protected abstract List<Variant> variants();

    /** Settings under {@code optim_args} with each of which the goldens are replayed. */
    protected List<Map<String, Object>> goldenArgs() {
        return List.of(Map.of());
    }

    /** The rate that brings the tiny language model below a tenth of its first loss in 300 steps. */
    protected double languageModelRate(Variant variant) {
        return variant.quadraticRate() / 2;
    }

    /** Where a tensor of 2,310 elements is cut for the test of {@link Granularity#ELEMENT}. */
    protected int elementCut() {
        return 1_003;
    }

    @Test
    void isFoundByItsName() {
        assertSame(
                technique().getClass(),
                Techniques.find(
                                OptimizerTechnique.class,
                                OptimizerTechnique.KIND,
                                technique().id(),
                                Position.of("test"))
                        .getClass());
    }

    @TestFactory
    Stream<DynamicTest> equalsItsGoldens() {
        Path goldens = Path.of(System.getProperty("quern.root"), "goldens");
        List<GoldenCase> cases = Goldens.find(List.of(goldens)).stream()
                .filter(c -> c.kind().equals("optimizer")
                        && c.json().path("optim").asString().equals(technique().id()))
                .toList();
        assertFalse(cases.isEmpty(), "no golden of " + technique().id());
        return cases.stream()
                .flatMap(c -> goldenArgs().stream()
                        .map(args -> dynamicTest(c.name() + args, () -> {
                            for (var check : new OptimizerReplay().replay(with(c, args))) {
                                assertTrue(check.ok(), () -> check.toString());
                            }
                        })));
    }

    private static GoldenCase with(GoldenCase golden, Map<String, Object> args) {
        ObjectNode json = (ObjectNode) golden.json().deepCopy();
        args.forEach((key, value) ->
                json.withObject("config").withObject("optim_args").putPOJO(key, value));
        // Through text, so that the values are plain JSON again.
        return new GoldenCase(
                golden.folder(),
                golden.kind(),
                golden.name(),
                JsonMapper.shared().readTree(json.toString()));
    }

    @ParameterizedTest
    @MethodSource("variants")
    void sameInputGivesTheSameBits(Variant variant) {
        Map<String, float[]> first = run(variant, DType.BF16, 12);
        Map<String, float[]> second = run(variant, DType.BF16, 12);
        assertSameBits(first, second);
    }

    private Map<String, float[]> run(Variant variant, DType dtype, int steps) {
        try (Weights weights = new Weights(dtype);
                Optimizer optimizer = create(variant, weights.parameters)) {
            for (int step = 0; step < steps; step++) {
                weights.setGradients(step, g -> g);
                optimizer.step(0.01, 0.5);
            }
            return snapshot(weights, optimizer);
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void savedStateContinuesBitForBit(Variant variant) {
        for (DType dtype : List.of(DType.FP32, DType.BF16)) {
            Map<String, float[]> unbroken;
            Map<String, float[]> continued;
            try (Weights weights = new Weights(dtype);
                    Optimizer optimizer = create(variant, weights.parameters);
                    Weights restored = new Weights(dtype)) {
                for (int step = 0; step < 5; step++) {
                    weights.setGradients(step, g -> g);
                    optimizer.step(0.01, 1);
                }
                try (Scope scope = Scope.open()) {
                    Map<String, Tensor> saved = new LinkedHashMap<>();
                    optimizer.state().forEach((name, tensor) -> saved.put(name, tensor.copy()));
                    for (int i = 0; i < restored.parameters.size(); i++) {
                        Tensor target = restored.parameters.get(i).value().detach();
                        target.copy_(weights.parameters.get(i).value().detach());
                    }
                    try (Optimizer other = create(variant, restored.parameters)) {
                        other.load(saved);
                        for (int step = 5; step < 10; step++) {
                            weights.setGradients(step, g -> g);
                            optimizer.step(0.01, 1);
                            restored.setGradients(step, g -> g);
                            other.step(0.01, 1);
                        }
                        unbroken = snapshot(weights, optimizer);
                        continued = snapshot(restored, other);
                    }
                }
            }
            assertSameBits(unbroken, continued);
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void parametersMayBeDealtToTwoOptimizers(Variant variant) {
        try (Weights together = new Weights(DType.FP32);
                Weights dealt = new Weights(DType.FP32);
                Optimizer whole = create(variant, together.parameters);
                Optimizer even = create(variant, everySecond(dealt.parameters, 0));
                Optimizer odd = create(variant, everySecond(dealt.parameters, 1))) {
            for (int step = 0; step < 6; step++) {
                together.setGradients(step, g -> g);
                dealt.setGradients(step, g -> g);
                whole.step(0.01, 0.5);
                even.step(0.01, 0.5);
                odd.step(0.01, 0.5);
            }
            for (int i = 0; i < dealt.parameters.size(); i++) {
                assertArrayEquals(
                        together.parameters.get(i).value().toFloats(),
                        dealt.parameters.get(i).value().toFloats(),
                        "p" + i);
            }
        }
    }

    private static List<Parameter> everySecond(List<Parameter> parameters, int first) {
        return IntStream.range(0, parameters.size())
                .filter(i -> i % 2 == first)
                .mapToObj(parameters::get)
                .toList();
    }

    private Stream<Variant> elementwise() {
        return variants().stream().filter(variant -> {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 2, 2));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                return optimizer.granularity() == Granularity.ELEMENT;
            }
        });
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("elementwise")
    void aTensorMayBeCutAnywhereWhereElementsAreIndependent(Variant variant) {
        int n = 33 * 70;
        int cut = elementCut();
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(23);
            Tensor start = Tensor.randn(random, n);
            try (Parameter matrix = new Parameter("matrix", start.view(33, 70).copy());
                    Parameter head =
                            new Parameter("head", start.narrow(0, 0, cut).copy());
                    Parameter tail =
                            new Parameter("tail", start.narrow(0, cut, n - cut).copy());
                    Optimizer whole = create(variant, List.of(matrix));
                    Optimizer one = create(variant, List.of(head));
                    Optimizer other = create(variant, List.of(tail))) {
                for (int step = 0; step < 6; step++) {
                    Tensor gradient = Tensor.randn(random, n);
                    matrix.value().setGrad(gradient.view(33, 70));
                    head.value().setGrad(gradient.narrow(0, 0, cut).copy());
                    tail.value().setGrad(gradient.narrow(0, cut, n - cut).copy());
                    whole.step(0.01, 0.5);
                    one.step(0.01, 0.5);
                    other.step(0.01, 0.5);
                }
                assertArrayEquals(
                        matrix.value().toFloats(),
                        Tensor.cat(List.of(head.value().detach(), tail.value().detach()), 0)
                                .toFloats());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void refusesAnotherOptimizersState(Variant variant) {
        try (Weights weights = new Weights(DType.BF16);
                Optimizer optimizer = create(variant, weights.parameters);
                Scope scope = Scope.open()) {
            weights.setGradients(0, g -> g);
            optimizer.step(0.01, 1);
            Map<String, float[]> before = snapshot(weights, optimizer);
            Map<String, Tensor> zeros = new LinkedHashMap<>();
            optimizer
                    .state()
                    .forEach((name, tensor) -> zeros.put(name, tensor.copy().zero_()));
            String name = "master/p0";

            Map<String, Tensor> missing = new LinkedHashMap<>(zeros);
            missing.remove(name);
            assertRefused("optimizer state: 'master/p0' is missing", optimizer, missing);
            Map<String, Tensor> extra = new LinkedHashMap<>(zeros);
            extra.put("momentum/p9", zeros.get(name));
            assertRefused("optimizer state: 'momentum/p9' belongs to no trainable parameter", optimizer, extra);
            Map<String, Tensor> misshaped = new LinkedHashMap<>(zeros);
            misshaped.put(name, Tensor.zeros(DType.FP32, 70, 33));
            assertRefused("optimizer state: 'master/p0' is fp32[70, 33], expected fp32[33, 70]", optimizer, misshaped);
            Map<String, Tensor> mistyped = new LinkedHashMap<>(zeros);
            mistyped.put(name, Tensor.zeros(DType.BF16, 33, 70));
            assertRefused("optimizer state: 'master/p0' is bf16[33, 70], expected fp32[33, 70]", optimizer, mistyped);

            assertSameBits(before, snapshot(weights, optimizer));
        }
    }

    private static void assertRefused(String message, Optimizer optimizer, Map<String, Tensor> state) {
        QuernException e = assertThrows(QuernException.class, () -> optimizer.load(state));
        assertEquals(ExitCode.FAILED, e.exitCode());
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @ParameterizedTest
    @MethodSource("variants")
    void parametersWithoutGradientAreLeftAlone(Variant variant) {
        Variant decaying = new Variant(
                variant.name(),
                variant.config(),
                new OptimizerSettings(
                        0.5,
                        variant.settings().beta1(),
                        variant.settings().beta2(),
                        variant.settings().epsilon()),
                0,
                OptionalDouble.empty());
        try (Weights weights = new Weights(DType.FP32)) {
            weights.parameters.get(3).setTrainable(false);
            try (Optimizer optimizer = create(decaying, weights.parameters)) {
                assertTrue(optimizer.state().keySet().stream().noneMatch(name -> name.endsWith("/p3")));
                weights.setGradients(0, g -> g);
                weights.parameters.get(3).clearGrad();
                optimizer.step(0.1, 1);
                float[] still = weights.parameters.get(1).value().toFloats();
                float[] frozen = weights.parameters.get(3).value().toFloats();
                float[] moving = weights.parameters.get(0).value().toFloats();
                weights.setGradients(1, g -> g);
                weights.parameters.get(1).clearGrad();
                weights.parameters.get(3).clearGrad();
                optimizer.step(0.1, 1);
                assertArrayEquals(still, weights.parameters.get(1).value().toFloats());
                assertArrayEquals(frozen, weights.parameters.get(3).value().toFloats());
                assertNotEquals(moving[0], weights.parameters.get(0).value().toFloats()[0]);
                assertEquals(1, (long) optimizer.state().get("step/p1").item());
                assertEquals(2, (long) optimizer.state().get("step/p0").item());

                weights.parameters.get(3).setTrainable(true);
                IllegalStateException thawed = assertThrows(IllegalStateException.class, () -> optimizer.step(0.1, 1));
                assertTrue(thawed.getMessage().contains("p3"), thawed.getMessage());
            }
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void gradientScaleIsAFactorOnTheGradient(Variant variant) {
        try (Weights scaled = new Weights(DType.FP32);
                Weights plain = new Weights(DType.FP32);
                Optimizer a = create(variant, scaled.parameters);
                Optimizer b = create(variant, plain.parameters)) {
            for (int step = 0; step < 4; step++) {
                // Powers of two, so that both ways round alike.
                scaled.setGradients(step, g -> g);
                a.step(0.01, 0.25);
                plain.setGradients(step, g -> g.mul(0.25));
                b.step(0.01, 1);
            }
            assertSameBits(snapshot(scaled, a), snapshot(plain, b));
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void bf16WeightsFollowTheirFp32Masters(Variant variant) {
        try (Weights narrow = new Weights(DType.BF16);
                Weights wide = new Weights(DType.FP32);
                Optimizer a = create(variant, narrow.parameters);
                Optimizer b = create(variant, wide.parameters)) {
            for (int step = 0; step < 20; step++) {
                // Accumulated gradients are fp32.
                DType gradients = step % 2 == 0 ? DType.BF16 : DType.FP32;
                narrow.setGradients(step, g -> g.to(gradients));
                wide.setGradients(step, g -> g.to(DType.BF16).to(DType.FP32));
                a.step(0.01, 1);
                b.step(0.01, 1);
            }
            for (int i = 0; i < narrow.parameters.size(); i++) {
                try (Scope scope = Scope.open()) {
                    Parameter parameter = narrow.parameters.get(i);
                    Tensor master = a.masterOf(parameter);
                    // The same start, the same gradients and the same arithmetic: the same bits.
                    assertArrayEquals(wide.parameters.get(i).value().toFloats(), master.toFloats(), parameter.name());
                    assertArrayEquals(
                            master.to(DType.BF16).toFloats(), parameter.value().toFloats(), parameter.name());
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void transposedWeightsTakeTheSameSteps(Variant variant) {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(5);
            Tensor start = Tensor.randn(random, 37, 19);
            try (Parameter rows = new Parameter("w", start.copy());
                    Parameter columns =
                            new Parameter("w", start.t().contiguous().t());
                    Optimizer a = create(variant, List.of(rows));
                    Optimizer b = create(variant, List.of(columns))) {
                assertFalse(columns.value().isContiguous());
                for (int step = 0; step < 5; step++) {
                    Tensor gradient = Tensor.randn(random, 37, 19);
                    rows.value().setGrad(gradient);
                    columns.value()
                            .setGrad(
                                    step % 2 == 0
                                            ? gradient
                                            : gradient.t().contiguous().t());
                    a.step(0.01, 1);
                    b.step(0.01, 1);
                }
                // A few units in the last place: libtorch's vector loops may round unlike the ends of its loops.
                assertArrayEquals(rows.value().toFloats(), columns.value().toFloats(), 1e-6f);
                a.state()
                        .forEach((name, tensor) -> assertArrayEquals(
                                tensor.toFloats(), b.state().get(name).toFloats(), 1e-6f, name));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void solvesAnIllConditionedQuadratic(Variant variant) {
        // f(x) = Σ cᵢ(xᵢ - 1)²/2, curvatures from 0.02 to 1.
        int n = 8;
        double[] curvature = new double[n];
        for (int i = 0; i < n; i++) {
            curvature[i] = Math.pow(50, -i / (n - 1.0));
        }
        float[] x = minimise(variant, variant.quadraticRate(), 1_000, new float[n], (at, gradient) -> {
            for (int i = 0; i < n; i++) {
                gradient[i] = (float) (curvature[i] * (at[i] - 1));
            }
        });
        for (float coordinate : x) {
            assertEquals(1, coordinate, 1e-2);
        }
    }

    private Stream<Variant> rosenbrockSolvers() {
        return variants().stream().filter(v -> v.rosenbrockRate().isPresent());
    }

    @ParameterizedTest(allowZeroInvocations = true)
    @MethodSource("rosenbrockSolvers")
    void solvesRosenbrocksFunction(Variant variant) {
        float[] x = minimise(
                variant, variant.rosenbrockRate().getAsDouble(), 5_000, new float[] {-1.2f, 1}, (at, gradient) -> {
                    double valley = at[1] - (double) at[0] * at[0];
                    gradient[0] = (float) (-2 * (1 - at[0]) - 400 * at[0] * valley);
                    gradient[1] = (float) (200 * valley);
                });
        assertEquals(1, x[0], 2e-2);
        assertEquals(1, x[1], 4e-2);
    }

    /** Writes the gradient at a point. */
    private interface Gradient {
        void at(float[] x, float[] gradient);
    }

    private float[] minimise(Variant variant, double rate, int steps, float[] start, Gradient function) {
        try (Scope outer = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.of(start, start.length));
                Optimizer optimizer = create(variant, List.of(parameter))) {
            float[] gradient = new float[start.length];
            for (int step = 0; step < steps; step++) {
                try (Scope scope = Scope.open()) {
                    function.at(parameter.value().toFloats(), gradient);
                    parameter.value().setGrad(Tensor.of(gradient, gradient.length));
                    // A linear fall, so that rates which circle the minimum settle on it.
                    optimizer.step(rate * (1 - (double) step / steps), 1);
                }
            }
            return parameter.value().toFloats();
        }
    }

    @ParameterizedTest
    @MethodSource("variants")
    void solvesATinyLanguageModel(Variant variant) {
        int steps = 300;
        double rate = languageModelRate(variant);
        double[] losses = languageModelLosses(variant, steps, step -> rate * (1 - (double) step / steps));
        assertTrue(losses[steps] < losses[0] / 10, () -> "from %s to %s".formatted(losses[0], losses[steps]));
    }

    /** The tiny language model's loss before each step of a training, and after the last. */
    protected final double[] languageModelLosses(Variant variant, int steps, IntToDoubleFunction rate) {
        double[] losses = new double[steps + 1];
        try (Scope outer = Scope.open();
                TinyLanguageModel model = new TinyLanguageModel();
                Optimizer optimizer = create(variant, model.parameters())) {
            for (int step = 0; step < steps; step++) {
                losses[step] = model.lossAndGradients();
                optimizer.step(rate.applyAsDouble(step), 1);
            }
            losses[steps] = model.lossAndGradients();
        }
        return losses;
    }

    @ParameterizedTest
    @MethodSource("variants")
    void aThousandStepsLeaveNoHandleBehind(Variant variant) {
        long keptBefore = Tensor.keptHandles();
        try (Scope outer = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.BF16, 3, 5));
                Optimizer optimizer = create(variant, List.of(parameter))) {
            parameter.value().setGrad(Tensor.full(0.5, DType.BF16, Device.CPU, 3, 5));
            optimizer.step(0.01, 1);
            long live = Native.liveHandles();
            long kept = Tensor.keptHandles();
            for (int step = 0; step < 1_000; step++) {
                optimizer.step(0.01, 1);
            }
            assertEquals(live, Native.liveHandles());
            assertEquals(kept, Tensor.keptHandles());
        }
        assertEquals(keptBefore, Tensor.keptHandles());
    }

    @ParameterizedTest
    @MethodSource("variants")
    void stateBytesCountTheState(Variant variant) {
        try (Weights weights = new Weights(DType.BF16);
                Optimizer optimizer = create(variant, weights.parameters)) {
            long bytes = optimizer.state().values().stream()
                    .mapToLong(t -> t.numel() * t.dtype().bytes())
                    .sum();
            assertEquals(bytes, optimizer.stateBytes());
            assertTrue(bytes > 0);
        }
    }

    /** An optimizer with one group. */
    protected final Optimizer create(Variant variant, List<Parameter> parameters) {
        return technique().create(List.of(ParameterGroup.of(parameters)), variant.settings(), variant.config());
    }

    private static Map<String, float[]> snapshot(Weights weights, Optimizer optimizer) {
        Map<String, float[]> result = new LinkedHashMap<>();
        weights.parameters.forEach(p -> result.put(p.name(), p.value().toFloats()));
        optimizer.state().forEach((name, tensor) -> result.put(name, tensor.toFloats()));
        return result;
    }

    private static void assertSameBits(Map<String, float[]> expected, Map<String, float[]> actual) {
        assertEquals(expected.keySet(), actual.keySet());
        expected.forEach((name, values) -> assertArrayEquals(values, actual.get(name), name));
    }

    /** Parameters of several shapes, the same for every instance, with values that bf16 holds exactly. */
    protected static final class Weights implements AutoCloseable {
        /** Named p0, p1 … */
        final List<Parameter> parameters = new ArrayList<>();

        Weights(DType dtype) {
            try (Scope scope = Scope.open()) {
                RandomStream random = new RandomStream(17);
                for (long[] shape : SHAPES) {
                    Tensor start = Tensor.randn(random, shape).to(DType.BF16);
                    parameters.add(new Parameter(
                            "p" + parameters.size(), start.to(dtype).copy()));
                }
            }
        }

        /** Gives every parameter the gradient of a step: the change of random numbers in the weight's dtype. */
        void setGradients(int step, UnaryOperator<Tensor> change) {
            try (Scope scope = Scope.open()) {
                RandomStream random = new RandomStream(1_000 + step);
                for (Parameter parameter : parameters) {
                    Tensor gradient = Tensor.randn(random, parameter.value().shape());
                    parameter
                            .value()
                            .setGrad(change.apply(gradient.to(parameter.value().dtype())));
                }
            }
        }

        @Override
        public void close() {
            parameters.forEach(Parameter::close);
        }
    }
}
