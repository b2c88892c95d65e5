package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.FusedOptimizerContract;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class AdamTest extends FusedOptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Adam();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        return List.of(variant("plain", fused, 0));
    }

    private static Variant variant(String name, Optional<Boolean> fused, double weightDecay) {
        return new Variant(
                name,
                new Adam.Config(fused),
                new OptimizerSettings(weightDecay, 0.9, 0.999, 1e-8),
                0.02,
                OptionalDouble.of(0.02));
    }

    @Test
    void theFirstStepHasTheLengthOfTheRateWhateverTheGradient() {
        for (Variant variant : variants()) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {0, 0, 0, 0}, 4));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {1e-3f, -5, 700, -1e4f}, 4));
                optimizer.step(0.1, 1);
                // Epsilon is 1e-5 of the smallest gradient.
                assertArrayEquals(
                        new float[] {-0.1f, 0.1f, -0.1f, 0.1f},
                        parameter.value().toFloats(),
                        2e-6f);
            }
        }
    }

    @Test
    void decayActsAsAGradientSoItsStepHasTheLengthOfTheRateToo() {
        for (Variant plain : variants()) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {3, -400}, 2));
                    Optimizer optimizer =
                            create(variant("decay", ((Adam.Config) plain.config()).fused(), 0.5), List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {0, 0}, 2));
                optimizer.step(0.1, 1);
                assertArrayEquals(
                        new float[] {3 - 0.1f, -400 + 0.1f}, parameter.value().toFloats(), 4e-5f);
                // The decay λp itself is what the moment holds: (1-β₁)λp.
                assertEquals(
                        0.1 * 0.5 * 3,
                        optimizer.state().get("exp_avg/x").select(0, 0).item(),
                        1e-6);
            }
        }
    }
}
