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

class AdamWTest extends FusedOptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new AdamW();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        return List.of(variant("plain", fused, 0));
    }

    private static Variant variant(String name, Optional<Boolean> fused, double weightDecay) {
        return new Variant(
                name,
                new AdamW.Config(fused),
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
    void withoutGradientTheWeightShrinksByRateTimesDecay() {
        for (Variant plain : variants()) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {3, -4}, 2));
                    Optimizer optimizer = create(
                            variant("decay", ((AdamW.Config) plain.config()).fused(), 0.5), List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {0, 0}, 2));
                for (int step = 0; step < 10; step++) {
                    optimizer.step(0.1, 1);
                }
                double left = Math.pow(1 - 0.1 * 0.5, 10);
                // Ten roundings to fp32.
                assertArrayEquals(
                        new float[] {(float) (3 * left), (float) (-4 * left)},
                        parameter.value().toFloats(),
                        4e-6f);
                assertEquals(0, optimizer.state().get("exp_avg/x").abs().max().item());
            }
        }
    }
}
