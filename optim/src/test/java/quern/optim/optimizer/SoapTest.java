package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
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
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Linalg;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class SoapTest extends OptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Soap();
    }

    @Override
    protected List<Variant> variants() {
        return List.of(variant("every step", 1, 2048), variant("every ten", 10, 2048), variant("short sides", 3, 33));
    }

    private static Variant variant(String name, int frequency, int maxPrecondDim) {
        return new Variant(
                name,
                new Soap.Config(frequency, Optional.empty(), maxPrecondDim),
                new OptimizerSettings(0, 0.9, 0.95, 1e-8),
                0.02,
                OptionalDouble.of(0.02));
    }

    @Test
    void theFirstGradientMovesNothing() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.randn(new RandomStream(1), 6, 4));
                Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
            float[] start = parameter.value().toFloats();
            parameter.value().setGrad(Tensor.randn(new RandomStream(2), 6, 4));
            optimizer.step(0.1, 1);
            assertArrayEquals(start, parameter.value().toFloats());
            assertEquals(
                    0, optimizer.state().get("exp_avg_rotated/x").abs().max().item());
            assertTrue(optimizer.state().get("statistics/x").abs().max().item() > 0);
        }
    }

    @Test
    void basesStayOrthonormal() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.randn(new RandomStream(1), 20, 3));
                Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
            for (int step = 0; step < 50; step++) {
                // Of rank 3 in 20 dimensions: most eigenvalues stay near 0.
                parameter.value().setGrad(Tensor.randn(new RandomStream(step), 20, 3));
                optimizer.step(0.01, 1);
            }
            Tensor basis = optimizer.state().get("basis/x").narrow(0, 0, 400).view(20, 20);
            Tensor identity =
                    Tensor.full(1, DType.FP32, Device.CPU, 20, 20).tril(0).triu(0);
            // Columns rounded to fp32.
            assertEquals(0, basis.t().matmul(basis).sub(identity).abs().max().item(), 1e-6);
        }
    }

    /** Rotating the problem rotates the steps: the paper's reason for the eigenbasis. */
    @Test
    void stepsFollowARotationOfTheProblem() {
        try (Scope scope = Scope.open()) {
            Tensor left =
                    Linalg.orthonormal(Tensor.randn(new RandomStream(5), 6, 6).to(DType.FP64));
            Tensor right =
                    Linalg.orthonormal(Tensor.randn(new RandomStream(6), 6, 6).to(DType.FP64));
            Tensor start = Tensor.randn(new RandomStream(7), 6, 6);
            try (Parameter plain = new Parameter("x", start.copy());
                    Parameter turned = new Parameter("x", turn(start, left, right));
                    Optimizer a = create(variants().getFirst(), List.of(plain));
                    Optimizer b = create(variants().getFirst(), List.of(turned))) {
                for (int step = 0; step < 12; step++) {
                    Tensor gradient = Tensor.randn(new RandomStream(20 + step), 6, 6);
                    plain.value().setGrad(gradient);
                    turned.value().setGrad(turn(gradient, left, right));
                    a.step(0.01, 1);
                    b.step(0.01, 1);
                }
                Tensor moved = plain.value().detach().sub(start).abs().max();
                assertTrue(moved.item() > 0.03, "it moved");
                // The rotation is rounded to fp32, and bases answer to it in proportion to their eigenvalues'
                // distances.
                assertArrayEquals(
                        turn(plain.value().detach(), left, right).toFloats(),
                        turned.value().toFloats(),
                        1e-4f);
            }
        }
    }

    private static Tensor turn(Tensor x, Tensor left, Tensor right) {
        return left.matmul(x.to(DType.FP64)).matmul(right).to(DType.FP32);
    }

    @Test
    void longSidesAndTheRowsOfTablesAreNotRotated() {
        try (Scope scope = Scope.open();
                Parameter table = new Parameter("t", Tensor.zeros(DType.FP32, 9, 4));
                Parameter wide = new Parameter("w", Tensor.zeros(DType.FP32, 4, 70));
                Parameter bias = new Parameter("b", Tensor.zeros(DType.FP32, 4));
                Optimizer optimizer = technique()
                        .create(
                                List.of(
                                        new ParameterGroup(
                                                List.of(table),
                                                1,
                                                OptionalDouble.empty(),
                                                Optional.of(ParameterRole.EMBEDDING)),
                                        ParameterGroup.of(List.of(wide, bias))),
                                OptimizerSettings.DEFAULT,
                                new Soap.Config(1, Optional.empty(), 64))) {
            assertEquals(16, optimizer.state().get("basis/t").numel());
            assertEquals(16, optimizer.state().get("basis/w").numel());
            assertTrue(!optimizer.state().containsKey("basis/b"));
        }
    }

    @Test
    void hardGradientsLeaveTheWeightsFinite() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 20, 15));
                Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
            Tensor dense = Tensor.randn(new RandomStream(1), 20, 15);
            Tensor rankOne = dense.narrow(0, 0, 1).mul(dense.narrow(1, 0, 1));
            List<Tensor> hard = List.of(dense.mul(0), rankOne.mul(1e15), dense.mul(1e-30), rankOne, dense);
            for (int step = 0; step < 30; step++) {
                parameter.value().setGrad(hard.get(step % hard.size()));
                optimizer.step(1e-3, 1);
                assertEquals(
                        0,
                        parameter
                                .value()
                                .detach()
                                .isFinite()
                                .logicalNot()
                                .to(DType.FP32)
                                .sum()
                                .item(),
                        "step " + step);
            }
        }
    }

    @Test
    void badSettingsAreRefusedByKey() {
        assertRefused("precondition_frequency", Map.of("precondition_frequency", 0));
        assertRefused("shampoo_beta", Map.of("shampoo_beta", 1));
        assertRefused("max_precond_dim", Map.of("max_precond_dim", 0));
        assertRefused("max_precond_dim", Map.of("max_precond_dims", 4));
    }

    private static void assertRefused(String key, Map<String, Object> args) {
        Block block = Block.empty(Position.of("optim_args"));
        for (var entry : args.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        Block written = block;
        QuernException e = assertThrows(QuernException.class, () -> written.bind(Soap.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
    }
}
