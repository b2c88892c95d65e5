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

/** The contract, and what the paper says of the sign. */
class LionTest extends FusedOptimizerContract {
    @Override
    protected OptimizerTechnique technique() {
        return new Lion();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        return List.of(new Variant(
                "plain",
                new Lion.Config(fused),
                new OptimizerSettings(0, 0.9, 0.99, 1e-8),
                0.02,
                OptionalDouble.of(0.01)));
    }

    @Test
    void everyElementMovesByTheRateAgainstTheSignOfTheInterpolation() {
        for (Variant variant : variants()) {
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {0, 0, 0, 0}, 4));
                    Optimizer optimizer = create(variant, List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {1e-6f, -5, 7e5f, 0}, 4));
                optimizer.step(0.25, 1);
                assertArrayEquals(
                        new float[] {-0.25f, 0.25f, -0.25f, 0},
                        parameter.value().toFloats());
                // m is a hundredth of the first gradient: a tenth of the second outweighs nine tenths of m.
                parameter.value().setGrad(Tensor.of(new float[] {-1e-6f, 0, -6e4f, 1}, 4));
                optimizer.step(0.25, 1);
                assertArrayEquals(
                        new float[] {0, 0.5f, -0.5f, -0.25f}, parameter.value().toFloats());
            }
        }
    }

    @Test
    void decayShrinksTheWeightByRateTimesDecayBeforeTheStep() {
        for (Variant variant : variants()) {
            Variant decaying = new Variant(
                    "decay",
                    variant.config(),
                    new OptimizerSettings(0.5, 0.9, 0.99, 1e-8),
                    0.02,
                    OptionalDouble.empty());
            try (Scope scope = Scope.open();
                    Parameter parameter = new Parameter("x", Tensor.of(new float[] {8, -4}, 2));
                    Optimizer optimizer = create(decaying, List.of(parameter))) {
                parameter.value().setGrad(Tensor.of(new float[] {0, 3}, 2));
                optimizer.step(0.25, 1);
                assertArrayEquals(
                        new float[] {8 * 0.875f, -4 * 0.875f - 0.25f},
                        parameter.value().toFloats());
                // One moment, and nothing else but the count.
                assertEquals(2 * 4 + 8, optimizer.stateBytes());
            }
        }
    }
}
