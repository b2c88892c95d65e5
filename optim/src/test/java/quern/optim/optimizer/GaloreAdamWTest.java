package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
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
import quern.optim.optimizer.GaloreAdamW.ProjType;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Linalg;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class GaloreAdamWTest extends OptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new GaloreAdamW();
    }

    @Override
    protected List<Variant> variants() {
        return List.of(
                variant("std", new GaloreAdamW.Config(4, 5, 1, ProjType.STD)),
                variant("reverse", new GaloreAdamW.Config(4, 3, 1, ProjType.REVERSE_STD)));
    }

    private static Variant variant(String name, GaloreAdamW.Config config) {
        return new Variant(name, config, new OptimizerSettings(0, 0.9, 0.999, 1e-8), 0.02, OptionalDouble.of(0.02));
    }

    /** Few of a matrix's directions are open at a time, so steps are longer than AdamW's. */
    @Override
    protected double languageModelRate(Variant variant) {
        return 0.05;
    }

    @Test
    void stepsStayInTheSubspaceOfTheGradient() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 30, 12));
                Optimizer optimizer = create(
                        variant("rank 3", new GaloreAdamW.Config(3, 1_000, 0.5, ProjType.STD)), List.of(parameter))) {
            for (int step = 0; step < 10; step++) {
                parameter.value().setGrad(Tensor.randn(new RandomStream(step), 30, 12));
                optimizer.step(0.01, 1);
            }
            Tensor moved = parameter.value().detach().to(DType.FP64);
            float[] squares =
                    Linalg.symmetricEigen(moved.t().matmul(moved)).values().toFloats();
            // Twelve squared singular values in rising order: nine of rounding, three of steps.
            assertEquals(0, squares[8], 1e-10f);
            assertTrue(squares[9] > 1e-3, "rank 3: " + squares[9]);
        }
    }

    @Test
    void withoutTruncationTheProjectedGradientIsWhole() {
        // A gradient of rank 2 is in the span of its first two singular vectors: the first step of Adam is there too.
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 9, 16));
                Optimizer optimizer =
                        create(variant("rank 2", new GaloreAdamW.Config(2, 1, 1, ProjType.STD)), List.of(parameter))) {
            Tensor left = Tensor.randn(new RandomStream(1), 9, 2);
            Tensor right = Tensor.randn(new RandomStream(2), 2, 16);
            parameter.value().setGrad(left.matmul(right));
            optimizer.step(1, 1);
            Tensor projection = optimizer.state().get("projection/x").select(0, 0);
            Tensor low =
                    optimizer.state().get("low_rank_exp_avg/x").select(0, 0).mul(10);
            assertArrayEquals(
                    left.matmul(right).toFloats(), projection.matmul(low).toFloats(), 1e-5f);
            // Every element of the low-rank step is of size 1, as long as the rate.
            Tensor step = projection.t().matmul(parameter.value().detach()).abs();
            assertEquals(1, step.max().item(), 1e-4);
            assertEquals(1, step.neg().max().neg().item(), 1e-4);
        }
    }

    @Test
    void aNewSubspaceIsChosenAtEveryGap() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 9, 16));
                Optimizer optimizer =
                        create(variant("gap 3", new GaloreAdamW.Config(2, 3, 1, ProjType.STD)), List.of(parameter))) {
            float[] before = null;
            for (int step = 0; step < 7; step++) {
                parameter.value().setGrad(Tensor.randn(new RandomStream(step), 9, 16));
                optimizer.step(0.1, 1);
                float[] projection = optimizer.state().get("projection/x").toFloats();
                if (step % 3 == 0) {
                    assertTrue(before == null || before[0] != projection[0], "step " + step);
                } else {
                    assertArrayEquals(before, projection, "step " + step);
                }
                before = projection;
            }
        }
    }

    @Test
    void theStateIsSmallerThanAdamWs() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 512, 2048));
                Optimizer galore = create(
                        variant("rank 64", new GaloreAdamW.Config(64, 200, 0.25, ProjType.STD)), List.of(parameter));
                Optimizer adamw = new AdamW()
                        .create(
                                List.of(quern.optim.ParameterGroup.of(List.of(parameter))),
                                OptimizerSettings.DEFAULT,
                                new AdamW.Config(Optional.empty()))) {
            // Two moments of 64 by 2048, a projection of 512 by 64, and the step count.
            assertEquals(4 * (2 * 64 * 2048 + 512 * 64) + 8, galore.stateBytes());
            assertTrue(galore.stateBytes() < adamw.stateBytes() / 7, adamw.stateBytes() + " bytes of AdamW");
        }
    }

    @Test
    void shortMatricesTakeAdamWsSteps() {
        try (Scope scope = Scope.open();
                Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 4, 50));
                Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
            assertTrue(optimizer.state().containsKey("exp_avg/x"));
            parameter.value().setGrad(Tensor.randn(new RandomStream(1), 4, 50));
            optimizer.step(0.1, 1);
            for (float x : parameter.value().toFloats()) {
                assertEquals(0.1, Math.abs(x), 1e-6);
            }
        }
    }

    @Test
    void hardGradientsLeaveTheWeightsFinite() {
        for (double scale : new double[] {0, 1e-38, 1e-30, 1e15}) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.zeros(DType.FP32, 20, 15));
                    Optimizer optimizer = create(variants().getFirst(), List.of(parameter))) {
                Tensor column = Tensor.randn(new RandomStream(1), 20, 1);
                parameter
                        .value()
                        .setGrad(column.mul(Tensor.randn(new RandomStream(2), 1, 15))
                                .mul(scale));
                for (int step = 0; step < 12; step++) {
                    optimizer.step(1e-2, 1);
                }
                for (float x : parameter.value().toFloats()) {
                    assertTrue(Float.isFinite(x), "scale " + scale);
                }
                if (scale == 1e15) {
                    assertNotEquals(0, parameter.value().toFloats()[0]);
                }
            }
        }
    }

    @Test
    void badSettingsAreRefusedByKey() {
        assertRefused("rank", Map.of("rank", 0));
        assertRefused("update_proj_gap", Map.of("update_proj_gap", 0));
        assertRefused("scale", Map.of("scale", 0));
        assertRefused("proj_type", Map.of("proj_type", "full"));
        assertRefused("rank", Map.of("ranks", 4));
    }

    private static void assertRefused(String key, Map<String, Object> args) {
        Block block = Block.empty(Position.of("optim_args"));
        for (var entry : args.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        Block written = block;
        QuernException e = assertThrows(QuernException.class, () -> written.bind(GaloreAdamW.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
    }
}
