package quern.optim.optimizer;

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

/** The contract, and its trust ratio. */
class LambTest extends FusedOptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Lamb();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        return List.of(
                variant("plain", new Lamb.Config(true, Optional.empty(), fused), 0),
                variant("capped", new Lamb.Config(false, Optional.of(2.0), fused), 0));
    }

    private static Variant variant(String name, Lamb.Config config, double weightDecay) {
        return new Variant(
                name, config, new OptimizerSettings(weightDecay, 0.9, 0.999, 1e-6), 0.02, OptionalDouble.of(0.05));
    }

    private static double norm(Tensor tensor) {
        return Math.sqrt(tensor.detach().square().sum().item());
    }

    @Test
    void aStepMovesEachParameterByTheRateTimesItsOwnNormWhateverTheGradient() {
        for (Variant variant : variantsOfBothWays("plain")) {
            Variant decaying = variant("decay", (Lamb.Config) variant.config(), 0.3);
            try (Scope scope = Scope.open();
                    Parameter small = new Parameter("small", Tensor.of(new float[] {3e-3f, 4e-3f}, 2));
                    Parameter large = new Parameter("large", Tensor.of(new float[] {30, -40}, 2));
                    Optimizer optimizer = create(decaying, List.of(small, large))) {
                Tensor before = small.value().detach().copy();
                Tensor beforeLarge = large.value().detach().copy();
                small.value().setGrad(Tensor.of(new float[] {100, -7}, 2));
                large.value().setGrad(Tensor.of(new float[] {1e-2f, 3e-2f}, 2));
                optimizer.step(0.1, 1);
                assertEquals(0.1 * 5e-3, norm(small.value().detach().sub(before)), 1e-8);
                assertEquals(0.1 * 50, norm(large.value().detach().sub(beforeLarge)), 1e-4);
            }
        }
    }

    @Test
    void theRatioIsOneWhereANormIsZeroAndNoLargerThanItsLimit() {
        for (Variant variant : variantsOfBothWays("capped")) {
            try (Scope scope = Scope.open();
                    Parameter zero = new Parameter("zero", Tensor.of(new float[] {0, 0}, 2));
                    Parameter still = new Parameter("still", Tensor.of(new float[] {5, 6}, 2));
                    Parameter large = new Parameter("large", Tensor.of(new float[] {1000}, 1));
                    Optimizer optimizer = create(variant, List.of(zero, still, large))) {
                zero.value().setGrad(Tensor.of(new float[] {2, -2}, 2));
                still.value().setGrad(Tensor.of(new float[] {0, 0}, 2));
                large.value().setGrad(Tensor.of(new float[] {3}, 1));
                optimizer.step(0.5, 1);
                // Without correction the first direction is (1-β₁)/√(1-β₂).
                double direction = 0.1 / Math.sqrt(1e-3);
                assertEquals(-0.5 * direction, zero.value().select(0, 0).item(), 1e-4);
                assertEquals(0.5 * direction, zero.value().select(0, 1).item(), 1e-4);
                assertEquals(5, still.value().select(0, 0).item());
                assertEquals(1000 - 0.5 * 2 * direction, large.value().item(), 1e-3);
            }
        }
    }

    @Test
    void badSettingsAreRefusedByKey() {
        assertRefused("max_trust_ratio", 0.0);
        assertRefused("max_trust_ratio", -1.0);
        assertRefused("bias_corection", false);
    }

    private static void assertRefused(String key, Object value) {
        Block block = Block.empty(Position.of("optim_args")).with(key, value);
        QuernException e = assertThrows(QuernException.class, () -> block.bind(Lamb.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }
}
