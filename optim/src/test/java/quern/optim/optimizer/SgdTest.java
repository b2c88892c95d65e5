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
import quern.optim.FusedOptimizerContract;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class SgdTest extends FusedOptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Sgd();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        OptimizerSettings settings = OptimizerSettings.DEFAULT;
        return List.of(
                // Without velocity Rosenbrock's valley takes tens of thousands of steps.
                new Variant("plain", new Sgd.Config(0, false, 0, fused), settings, 1.0, OptionalDouble.empty()),
                new Variant("momentum", new Sgd.Config(0.9, false, 0, fused), settings, 0.2, OptionalDouble.of(5e-4)),
                new Variant("dampened", new Sgd.Config(0.9, false, 0.5, fused), settings, 0.4, OptionalDouble.of(1e-3)),
                new Variant("nesterov", new Sgd.Config(0.9, true, 0, fused), settings, 0.2, OptionalDouble.of(5e-4)));
    }

    @Test
    void plainDescentMovesAgainstTheGradientByTheRate() {
        for (Variant variant : variantsOfBothWays("plain")) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {1, -2, 0.5f}, 3));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {4, -8, 0}, 3));
                optimizer.step(0.125, 0.5);
                assertArrayEquals(
                        new float[] {1 - 0.25f, -2 + 0.5f, 0.5f},
                        parameter.value().toFloats());
            }
        }
    }

    @Test
    void velocityUnderAConstantGradientApproachesItOverOneMinusMomentum() {
        for (Variant variant : variantsOfBothWays("momentum")) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {0}, 1));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {3}, 1));
                for (int step = 0; step < 200; step++) {
                    optimizer.step(1e-3, 1);
                }
                // 0.9^200 of the way is left: below fp32's resolution.
                assertEquals(
                        3 / (1 - 0.9),
                        optimizer.state().get("momentum_buffer/x").item(),
                        1e-4);
            }
        }
    }

    @Test
    void contradictionsAreRefusedByKey() {
        assertRefused("nesterov", Map.of("nesterov", true));
        assertRefused("nesterov", Map.of("nesterov", true, "momentum", 0.9, "dampening", 0.1));
        assertRefused("dampening", Map.of("dampening", 0.1));
        assertRefused("momentum", Map.of("momentum", -0.1));
        assertRefused("momentun", Map.of("momentun", 0.1));
    }

    private static void assertRefused(String key, Map<String, Object> args) {
        Block block = Block.empty(Position.of("optim_args"));
        for (var entry : args.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        Block written = block;
        QuernException e = assertThrows(QuernException.class, () -> written.bind(Sgd.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
    }
}
