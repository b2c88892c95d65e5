package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.Optimizer;
import quern.optim.OptimizerContract;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.optim.optimizer.Muon.AdjustLrFn;
import quern.optim.optimizer.Muon.IterationDType;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Linalg;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class MuonTest extends OptimizerContract {
    private static final List<Double> COEFFICIENTS = List.of(3.4445, -4.7750, 2.0315);

    @Override
    protected OptimizerTechnique technique() {
        return new Muon();
    }

    /** The contract's problems are vectors, which take AdamW's steps, and Muon's own tests are of matrices. */
    @Override
    protected List<Variant> variants() {
        return List.of(
                variant("fp32", IterationDType.FP32, AdjustLrFn.MATCH_RMS_ADAMW, 0.02),
                variant("bf16", IterationDType.BF16, AdjustLrFn.ORIGINAL, 0.2));
    }

    private static Variant variant(String name, IterationDType dtype, AdjustLrFn adjust, double rate) {
        return new Variant(
                name,
                new Muon.Config(0.95, true, 5, COEFFICIENTS, 1e-7, adjust, dtype, Optional.empty()),
                OptimizerSettings.DEFAULT,
                rate,
                OptionalDouble.of(rate));
    }

    @Override
    protected double languageModelRate(Variant variant) {
        return variant.name().equals("bf16") ? 0.05 : 0.02;
    }

    /** The singular values of a matrix that is no taller than wide. */
    private static float[] singularValues(Tensor x) {
        Tensor gram = x.matmul(x.t()).to(DType.FP64);
        return Linalg.symmetricEigen(gram).values().clampMin(0).sqrt().toFloats();
    }

    @Test
    void stepsAreNearlyOrthogonal() {
        for (Variant variant : variants()) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 24, 40));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                parameter.value().setGrad(Tensor.randn(new RandomStream(3), 24, 40));
                optimizer.step(1, 1);
                double factor = variant.name().equals("bf16") ? 1 : 0.2 * Math.sqrt(40);
                for (float value : singularValues(parameter.value().detach().div(factor))) {
                    // The published coefficients stop between 0.68 and 1.13 of every value from 0.01 up; bf16 adds
                    // 0.01.
                    assertTrue(value > 0.65 && value < 1.2, variant + ": " + value);
                }
            }
        }
    }

    @Test
    void theStepIsBlindToTheGradientsScaleAndTurnsWithIt() {
        try (Scope scope = Scope.open()) {
            Tensor gradient = Tensor.randn(new RandomStream(3), 12, 12);
            Tensor turn = Linalg.orthonormal(Tensor.randn(new RandomStream(4), 12, 12));
            try (Parameter a = new Parameter("a", Tensor.zeros(DType.FP32, 12, 12));
                    Parameter b = new Parameter("b", Tensor.zeros(DType.FP32, 12, 12));
                    Parameter c = new Parameter("c", Tensor.zeros(DType.FP32, 12, 12));
                    Optimizer optimizer = create(variants().getFirst(), List.of(a, b, c))) {
                a.value().setGrad(gradient);
                b.value().setGrad(gradient.mul(1e-3));
                c.value().setGrad(turn.matmul(gradient));
                optimizer.step(1, 1);
                // Roundings of fp32, which the iteration stretches by up to 3.4445⁵ for the smallest singular values.
                assertArrayEquals(a.value().toFloats(), b.value().toFloats(), 1e-4f);
                assertArrayEquals(
                        turn.matmul(a.value().detach()).toFloats(), c.value().toFloats(), 1e-3f);
            }
        }
    }

    @Test
    void aStackOfMatricesIsManyMatrices() {
        try (Scope scope = Scope.open();
                Parameter stack = new Parameter("s", Tensor.zeros(DType.FP32, 2, 9, 5));
                Parameter first = new Parameter("a", Tensor.zeros(DType.FP32, 9, 5));
                Parameter second = new Parameter("b", Tensor.zeros(DType.FP32, 9, 5));
                Optimizer optimizer = create(variants().getFirst(), List.of(stack, first, second))) {
            for (int step = 0; step < 3; step++) {
                Tensor gradient = Tensor.randn(new RandomStream(step), 2, 9, 5);
                stack.value().setGrad(gradient);
                first.value().setGrad(gradient.select(0, 0).copy());
                second.value().setGrad(gradient.select(0, 1).copy());
                optimizer.step(0.1, 1);
            }
            assertArrayEquals(
                    Tensor.stack(List.of(first.value().detach(), second.value().detach()), 0)
                            .toFloats(),
                    stack.value().toFloats(),
                    1e-5f);
        }
    }

    @Test
    void tablesAndVectorsTakeAdamWsSteps() {
        try (Scope scope = Scope.open();
                Parameter table = new Parameter("table", Tensor.zeros(DType.FP32, 6, 4));
                Parameter bias = new Parameter("bias", Tensor.zeros(DType.FP32, 4));
                Parameter weight = new Parameter("weight", Tensor.zeros(DType.FP32, 4, 4));
                Optimizer optimizer = technique()
                        .create(
                                List.of(
                                        new ParameterGroup(
                                                List.of(table),
                                                1,
                                                OptionalDouble.empty(),
                                                Optional.of(ParameterRole.EMBEDDING)),
                                        ParameterGroup.of(List.of(bias, weight))),
                                OptimizerSettings.DEFAULT,
                                new Muon.Config(
                                        0.95,
                                        true,
                                        5,
                                        COEFFICIENTS,
                                        1e-7,
                                        AdjustLrFn.ORIGINAL,
                                        IterationDType.BF16,
                                        Optional.of(0.5)))) {
            for (Parameter parameter : List.of(table, bias, weight)) {
                parameter
                        .value()
                        .setGrad(Tensor.randn(
                                new RandomStream(5), parameter.value().shape()));
            }
            optimizer.step(0.1, 1);
            // Adam's first step is as long as the rate, here half of it, in every element.
            for (Parameter parameter : List.of(table, bias)) {
                for (float x : parameter.value().toFloats()) {
                    assertEquals(0.05, Math.abs(x), 1e-6);
                }
            }
            assertTrue(optimizer.state().containsKey("exp_avg/table"));
            assertFalse(optimizer.state().containsKey("momentum_buffer/table"));
            assertTrue(optimizer.state().containsKey("momentum_buffer/weight"));
            assertFalse(optimizer.state().containsKey("exp_avg/weight"));
        }
    }

    @Test
    void aMatrixProblemIsSolved() {
        // f(X) = |AX - B|²/2 with singular values of A from 0.1 to 1.
        try (Scope scope = Scope.open()) {
            Tensor q = Linalg.orthonormal(Tensor.randn(new RandomStream(1), 8, 8));
            Tensor spectrum = Tensor.of(new float[] {1, 0.7f, 0.5f, 0.4f, 0.3f, 0.2f, 0.15f, 0.1f}, 8);
            Tensor a = q.mul(spectrum);
            Tensor b = a.matmul(Tensor.randn(new RandomStream(2), 8, 8));
            for (Variant variant : variants()) {
                try (Parameter x = new Parameter("x", Tensor.zeros(DType.FP32, 8, 8));
                        Optimizer optimizer = create(variant, List.of(x))) {
                    for (int step = 0; step < 500; step++) {
                        try (Scope inner = Scope.open()) {
                            Tensor error = a.matmul(x.value().detach()).sub(b);
                            x.value().setGrad(a.t().matmul(error));
                            optimizer.step(0.1 * (1 - step / 500.0), 1);
                        }
                    }
                    double left =
                            a.matmul(x.value().detach()).sub(b).abs().max().item();
                    // Steps of at least the last rates, 1e-3, go to and fro across the minimum.
                    assertEquals(0, left, 5e-3, variant.name());
                }
            }
        }
    }

    @Test
    void zeroAndTinyGradientsLeaveTheWeightsFinite() {
        for (double scale : new double[] {0, 1e-30, 1e-8, 1e15}) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 6, 4));
                    Optimizer optimizer = create(variants().get(1), List.of(parameter))) {
                parameter
                        .value()
                        .setGrad(Tensor.randn(new RandomStream(1), 6, 4).mul(scale));
                for (int step = 0; step < 10; step++) {
                    optimizer.step(0.1, 1);
                }
                for (float x : parameter.value().toFloats()) {
                    assertTrue(Float.isFinite(x), "scale " + scale);
                }
            }
        }
    }

    @Test
    void badSettingsAreRefusedByKey() {
        assertRefused("momentum", Map.of("momentum", 1));
        assertRefused("ns_steps", Map.of("ns_steps", 0));
        assertRefused("ns_steps", Map.of("ns_steps", 100));
        assertRefused("ns_coefficients", Map.of("ns_coefficients", List.of(1, 2)));
        assertRefused("eps", Map.of("eps", 0));
        assertRefused("adjust_lr_fn", Map.of("adjust_lr_fn", "none"));
        assertRefused("ns_dtype", Map.of("ns_dtype", "fp16"));
        assertRefused("adamw_learning_rate_factor", Map.of("adamw_learning_rate_factor", -1));
        assertRefused("nesterov", Map.of("nestrov", true));
    }

    private static void assertRefused(String key, Map<String, Object> args) {
        Block block = Block.empty(Position.of("optim_args"));
        for (var entry : args.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        Block written = block;
        QuernException e = assertThrows(QuernException.class, () -> written.bind(Muon.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
    }
}
