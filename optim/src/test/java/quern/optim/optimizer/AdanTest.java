package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
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

/** The contract, and what its gradient differences and its restart do. */
class AdanTest extends FusedOptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Adan();
    }

    private static final int RESTART = 10;
    private static final double BETA1 = 0.98;
    private static final double BETA2 = 0.92;
    private static final double BETA3 = 0.99;

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        return List.of(
                variant("plain", new Adan.Config(BETA1, BETA2, BETA3, 0, fused), 0),
                variant("restarting", new Adan.Config(0.9, 0.8, BETA3, RESTART, fused), 0));
    }

    private static Variant variant(String name, Adan.Config config, double weightDecay) {
        return new Variant(
                name, config, new OptimizerSettings(weightDecay, 0.9, 0.999, 1e-8), 0.02, OptionalDouble.of(0.005));
    }

    @Test
    void aConstantGradientHasNoDifferenceSoEveryStepHasTheLengthOfTheRate() {
        for (Variant variant : variants()) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {0, 0, 0}, 3));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {1e-2f, -5, 700}, 3));
                for (int t = 1; t <= 12; t++) {
                    optimizer.step(0.1, 1);
                }
                // Epsilon is 1e-6 of the smallest gradient, twelve steps of it.
                assertArrayEquals(
                        new float[] {-1.2f, 1.2f, -1.2f}, parameter.value().toFloats(), 3e-6f);
                assertEquals(
                        0, optimizer.state().get("exp_avg_diff/x").abs().max().item());
            }
        }
    }

    @Test
    void aGrowingGradientIsExtrapolated() {
        for (Variant variant : variantsOfBothWays("plain")) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {0}, 1));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {1}, 1));
                optimizer.step(0, 1);
                parameter.value().setGrad(Tensor.of(new float[] {3}, 1));
                optimizer.step(1, 1);
                double m = ((1 - BETA1) * BETA1 + (1 - BETA1) * 3) / (1 - BETA1 * BETA1);
                double v = (1 - BETA2) * 2 / (1 - BETA2 * BETA2);
                double ahead = 3 + BETA2 * 2;
                double n = ((1 - BETA3) * BETA3 + (1 - BETA3) * ahead * ahead) / (1 - BETA3 * BETA3);
                assertEquals(-(m + BETA2 * v) / Math.sqrt(n), parameter.value().item(), 1e-6);
            }
        }
    }

    @Test
    void afterARestartTheMomentsAreThoseOfAFreshOptimizer() {
        for (Variant variant : variantsOfBothWays("restarting")) {
            try (Scope scope = Scope.open();
                    Parameter old = new Parameter("x", Tensor.of(new float[] {1, 2, 3}, 3));
                    Parameter young = new Parameter("x", Tensor.of(new float[] {1, 2, 3}, 3));
                    Optimizer restarted = create(variant, List.of(old));
                    Optimizer fresh = create(variant, List.of(young))) {
                old.value().setGrad(Tensor.of(new float[] {4, -5, 6}, 3));
                for (int t = 1; t <= RESTART; t++) {
                    restarted.step(0, 1);
                }
                for (int t = 1; t <= 2; t++) {
                    float[] gradient = {-t, 2 * t, 0.5f};
                    old.value().setGrad(Tensor.of(gradient, 3));
                    young.value().setGrad(Tensor.of(gradient, 3));
                    restarted.step(0.1, 1);
                    fresh.step(0.1, 1);
                }
                assertArrayEquals(young.value().toFloats(), old.value().toFloats());
                for (String name : List.of("exp_avg/x", "exp_avg_diff/x", "exp_avg_sq/x")) {
                    assertArrayEquals(
                            fresh.state().get(name).toFloats(),
                            restarted.state().get(name).toFloats(),
                            name);
                }
            }
        }
    }

    @Test
    void decayDividesTheWeightByOnePlusRateTimesDecay() {
        for (Variant variant : variantsOfBothWays("plain")) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {3, -4}, 2));
                    Optimizer optimizer =
                            create(variant("decay", (Adan.Config) variant.config(), 0.5), List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {0, 0}, 2));
                optimizer.step(0.5, 1);
                assertArrayEquals(
                        new float[] {3 / 1.25f, -4 / 1.25f}, parameter.value().toFloats(), 1e-6f);
            }
        }
    }

    @Test
    void badSettingsAreRefusedByKey() {
        assertRefused("beta1", 1.0);
        assertRefused("beta2", -0.1);
        assertRefused("beta3", 1.5);
        assertRefused("restart", -1);
        assertRefused("beta4", 0.1);
    }

    private static void assertRefused(String key, Object value) {
        Block block = Block.empty(Position.of("optim_args")).with(key, value);
        QuernException e = assertThrows(QuernException.class, () -> block.bind(Adan.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }
}
