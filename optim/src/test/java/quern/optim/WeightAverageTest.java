package quern.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.optim.optimizer.Adam;
import quern.recipe.WeightAverage;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The moving average that any optimizer can keep, and the weights that are evaluated. */
class WeightAverageTest {
    private static final WeightAverage PLAIN = new WeightAverage(0.9, false);

    private static Optimizer optimizer(Parameter... parameters) {
        return new Adam()
                .create(
                        List.of(ParameterGroup.of(List.of(parameters))),
                        OptimizerSettings.DEFAULT,
                        new Adam.Config(java.util.Optional.of(false)));
    }

    private static void step(Optimizer optimizer, int seed, Parameter... parameters) {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(seed);
            for (Parameter p : parameters) {
                p.value()
                        .setGrad(Tensor.randn(random, p.value().shape())
                                .to(p.value().dtype()));
            }
            optimizer.step(0.1, 1);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FP32", "BF16", "FP16"})
    void evaluationSeesTheAverageAndTrainingGoesOnWithTheWeights(DType dtype) {
        try (Scope scope = Scope.open();
                Parameter x = new Parameter(
                        "x", Tensor.randn(new RandomStream(1), 3, 5).to(dtype).copy());
                Optimizer optimizer = optimizer(x)) {
            optimizer.keepAverage(PLAIN);
            Tensor average = optimizer.masterOf(x).detach().copy();
            for (int step = 0; step < 20; step++) {
                step(optimizer, step, x);
                average.mul_(0.9).add_(optimizer.masterOf(x).detach(), 1 - 0.9);
                float[] training = x.value().toFloats();
                try (EvalWeights eval = optimizer.evalWeights()) {
                    assertArrayEquals(average.to(dtype).toFloats(), x.value().toFloats());
                    assertFalse(java.util.Arrays.equals(training, x.value().toFloats()));
                }
                assertArrayEquals(training, x.value().toFloats());
            }
        }
    }

    @Test
    void theRampForgetsTheStartSoon() {
        try (Scope scope = Scope.open();
                Parameter x = new Parameter("x", Tensor.zeros(DType.FP32, 1));
                Optimizer optimizer = optimizer(x)) {
            optimizer.keepAverage(new WeightAverage(0.999, true));
            double average = 0;
            for (int t = 1; t <= 5; t++) {
                step(optimizer, t, x);
                double decay = (1.0 + t) / (10 + t);
                average = decay * average
                        + (1 - decay) * x.value().detach().select(0, 0).item();
                assertEquals(
                        average, optimizer.state().get("ema/x").select(0, 0).item(), 1e-6);
            }
        }
    }

    /** Evaluating between steps changes no bit of what follows. */
    @Test
    void aSavedStateHoldsTheTrainingsWeights() {
        for (DType dtype : List.of(DType.FP32, DType.BF16)) {
            try (Scope scope = Scope.open();
                    Parameter x = new Parameter(
                            "x",
                            Tensor.randn(new RandomStream(1), 3, 5).to(dtype).copy());
                    Parameter other = new Parameter("x", Tensor.zeros(dtype, 3, 5));
                    Optimizer a = optimizer(x)) {
                a.keepAverage(PLAIN);
                for (int step = 0; step < 4; step++) {
                    step(a, step, x);
                }
                Map<String, Tensor> saved = new LinkedHashMap<>();
                a.state()
                        .forEach((name, tensor) ->
                                saved.put(name, tensor.detach().copy()));
                // What a checkpoint's model file holds.
                try (EvalWeights eval = a.evalWeights()) {
                    other.value().detach().copy_(x.value().detach());
                }
                try (Optimizer b = optimizer(other)) {
                    b.keepAverage(PLAIN);
                    b.load(saved);
                    assertArrayEquals(x.value().toFloats(), other.value().toFloats());
                    for (int step = 4; step < 8; step++) {
                        step(a, step, x);
                        step(b, step, other);
                    }
                    assertArrayEquals(x.value().toFloats(), other.value().toFloats());
                    b.state()
                            .forEach((name, tensor) ->
                                    assertArrayEquals(a.state().get(name).toFloats(), tensor.toFloats(), name));
                }
            }
        }
    }

    @Test
    void withoutAnAverageNothingChanges() {
        long kept = Tensor.keptHandles();
        try (Scope scope = Scope.open();
                Parameter x = new Parameter("x", Tensor.randn(new RandomStream(1), 4));
                Optimizer optimizer = optimizer(x)) {
            step(optimizer, 1, x);
            float[] before = x.value().toFloats();
            assertFalse(optimizer.hasEvalWeights());
            try (EvalWeights eval = optimizer.evalWeights()) {
                assertArrayEquals(before, x.value().toFloats());
            }
            optimizer.keepAverage(PLAIN);
            assertTrue(optimizer.hasEvalWeights());
            assertThrows(IllegalStateException.class, () -> optimizer.keepAverage(PLAIN));
            // Both moments, the average and the step; the weight itself is not the optimizer's memory.
            assertEquals(4 * 4 * 3 + 8, optimizer.stateBytes());
        }
        assertEquals(kept, Tensor.keptHandles());
    }
}
