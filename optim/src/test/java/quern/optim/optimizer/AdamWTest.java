package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.Optimizer;
import quern.optim.OptimizerContract;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.Kernels;

class AdamWTest extends OptimizerContract {
    /** Both ways of computing where this machine has both. */
    private static final List<Boolean> FUSED = Kernels.available() ? List.of(true, false) : List.of(false);

    @Override
    protected OptimizerTechnique technique() {
        return new AdamW();
    }

    @Override
    protected List<Variant> variants() {
        return FUSED.stream()
                .map(fused -> variant(fused ? "fused" : "operators", Optional.of(fused), 0))
                .toList();
    }

    private static Variant variant(String name, Optional<Boolean> fused, double weightDecay) {
        return new Variant(
                name,
                new AdamW.Config(fused),
                new OptimizerSettings(weightDecay, 0.9, 0.999, 1e-8),
                0.02,
                OptionalDouble.of(0.02));
    }

    @Override
    protected List<Map<String, Object>> goldenArgs() {
        return FUSED.stream()
                .map(fused -> Map.<String, Object>of("fused", fused))
                .toList();
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
        for (boolean fused : FUSED) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {3, -4}, 2));
                    Optimizer optimizer = create(variant("decay", Optional.of(fused), 0.5), List.of(parameter))) {
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
