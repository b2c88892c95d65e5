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

/** The contract, and how its steps shrink. */
class AdagradTest extends FusedOptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Adagrad();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        return List.of(
                variant("plain", new Adagrad.Config(0, 0, fused)),
                variant("decaying", new Adagrad.Config(1e-4, 0.1, fused)));
    }

    private static Variant variant(String name, Adagrad.Config config) {
        // Rosenbrock's valley is longer than what the falling steps add up to.
        return new Variant(name, config, new OptimizerSettings(0, 0.9, 0.999, 1e-10), 0.5, OptionalDouble.empty());
    }

    @Test
    void stepsUnderAConstantGradientShrinkAsOneOverTheRoot() {
        for (Variant variant : variantsOfBothWays("plain")) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {0, 0}, 2));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                // Whatever the gradient's length: the steps are those of its sign.
                parameter.value().setGrad(Tensor.of(new float[] {1e-3f, -40}, 2));
                double distance = 0;
                for (int t = 1; t <= 50; t++) {
                    optimizer.step(0.1, 1);
                    distance += 0.1 / Math.sqrt(t);
                }
                // Fifty roundings of a number of about 1.
                assertArrayEquals(
                        new float[] {(float) -distance, (float) distance},
                        parameter.value().toFloats(),
                        3e-6f);
            }
        }
    }

    @Test
    void theSumBeginsAtItsInitialValueAndTheRateFallsWithTheSteps() {
        for (Variant variant : variants(Optional.empty())) {
            Variant lowered = variant("lowered", new Adagrad.Config(1, 3, ((Adagrad.Config) variant.config()).fused()));
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {0}, 1));
                    Optimizer optimizer = create(lowered, List.of(parameter))) {
                assertEquals(3, optimizer.state().get("sum/x").item());
                parameter.value().setGrad(Tensor.of(new float[] {1}, 1));
                optimizer.step(1, 1);
                assertEquals(-1 / 2.0, parameter.value().item(), 1e-7);
                parameter.value().setGrad(Tensor.of(new float[] {(float) Math.sqrt(5)}, 1));
                optimizer.step(1, 1);
                // Half the rate, and a sum of 3 + 1 + 5.
                assertEquals(-1 / 2.0 - Math.sqrt(5) / 2 / 3, parameter.value().item(), 2e-7);
            }
        }
    }

    @Test
    void badSettingsAreRefusedByKey() {
        assertRefused("lr_decay", -0.1);
        assertRefused("initial_accumulator_value", -1.0);
        assertRefused("lr_decai", 0.1);
    }

    private static void assertRefused(String key, Object value) {
        Block block = Block.empty(Position.of("optim_args")).with(key, value);
        QuernException e = assertThrows(QuernException.class, () -> block.bind(Adagrad.Config.class));
        assertTrue(e.getMessage().contains(key), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }
}
