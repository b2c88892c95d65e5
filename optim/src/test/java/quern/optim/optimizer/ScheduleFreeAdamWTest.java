package quern.optim.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import quern.optim.EvalWeights;
import quern.optim.FusedOptimizerContract;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.WeightAverage;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

class ScheduleFreeAdamWTest extends FusedOptimizerContract {
    private static final OptimizerSettings SETTINGS = new OptimizerSettings(0, 0.9, 0.999, 1e-8);

    @Override
    protected OptimizerTechnique technique() {
        return new ScheduleFreeAdamW();
    }

    @Override
    protected List<Variant> variants(Optional<Boolean> fused) {
        // Where early steps count as much as late ones the average is still on its way through Rosenbrock's valley.
        return List.of(
                new Variant(
                        "plain", new ScheduleFreeAdamW.Config(0, 0, 2, fused), SETTINGS, 0.05, OptionalDouble.empty()),
                new Variant(
                        "powers",
                        new ScheduleFreeAdamW.Config(6, 1, 1, fused),
                        SETTINGS,
                        0.05,
                        OptionalDouble.of(0.05)));
    }

    /** The weights of the average are t^r · (largest rate)^power, here with a rate that rises and falls. */
    @Test
    void evaluationSeesTheWeightedAverageOfTheSteps() {
        averageOfTheSteps(Optional.empty());
        averageOfTheSteps(Optional.of(false));
    }

    private void averageOfTheSteps(Optional<Boolean> fused) {
        Variant variant = new Variant(
                "average", new ScheduleFreeAdamW.Config(0, 0.5, 2, fused), SETTINGS, 0, OptionalDouble.empty());
        try (Scope scope = Scope.open();
                Parameter x = new Parameter("x", Tensor.of(new float[] {1, -2, 3}, 3));
                Optimizer optimizer = create(variant, List.of(x))) {
            RandomStream random = new RandomStream(4);
            double[] sum = new double[3];
            double weights = 0;
            double largest = 0;
            for (int step = 1; step <= 30; step++) {
                x.value().setGrad(Tensor.randn(random, 3));
                double rate = 0.01 * (step < 10 ? step : 20 - step / 2.0);
                optimizer.step(rate, 1);
                largest = Math.max(largest, rate);
                double weight = Math.sqrt(step) * largest * largest;
                float[] z = optimizer.state().get("z/x").toFloats();
                for (int i = 0; i < 3; i++) {
                    sum[i] += weight * z[i];
                }
                weights += weight;
                float[] training = x.value().toFloats();
                float[] expected = new float[3];
                float[] between = new float[3];
                for (int i = 0; i < 3; i++) {
                    expected[i] = (float) (sum[i] / weights);
                    between[i] = (float) (0.1 * z[i] + 0.9 * sum[i] / weights);
                }
                // Thirty steps of roundings near 3, divided by beta1.
                assertArrayEquals(between, training, 2e-5f);
                try (EvalWeights eval = optimizer.evalWeights()) {
                    assertArrayEquals(expected, x.value().toFloats(), 2e-5f);
                }
                assertArrayEquals(training, x.value().toFloats());
            }
        }
    }

    @Test
    void aConstantRateSettlesWhereAdamWCircles() {
        float averaged =
                distanceAfterNoise(new ScheduleFreeAdamW(), new ScheduleFreeAdamW.Config(0, 0, 2, Optional.empty()));
        float plain = distanceAfterNoise(new AdamW(), new AdamW.Config(Optional.of(false)));
        assertTrue(averaged < plain / 3, averaged + " against " + plain);
    }

    private static float distanceAfterNoise(OptimizerTechnique technique, Record config) {
        try (Scope scope = Scope.open();
                Parameter x = new Parameter("x", Tensor.full(2, DType.FP32, quern.tensor.Device.CPU, 50));
                Optimizer optimizer =
                        technique.create(List.of(quern.optim.ParameterGroup.of(List.of(x))), SETTINGS, config)) {
            RandomStream random = new RandomStream(8);
            for (int step = 0; step < 2_000; step++) {
                try (Scope one = Scope.open()) {
                    x.value().setGrad(x.value().detach().add(Tensor.randn(random, 50)));
                    optimizer.step(0.05, 1);
                }
            }
            try (EvalWeights eval = optimizer.evalWeights()) {
                return (float) x.value().detach().square().mean().item();
            }
        }
    }

    @Test
    void aRateOfZeroMovesNothing() {
        Variant variant = variants().getFirst();
        try (Scope scope = Scope.open();
                Parameter x = new Parameter("x", Tensor.of(new float[] {1, -2}, 2));
                Optimizer optimizer = create(variant, List.of(x))) {
            x.value().setGrad(Tensor.of(new float[] {3, 4}, 2));
            optimizer.step(0, 1);
            assertArrayEquals(new float[] {1, -2}, x.value().toFloats());
            assertEquals(0, optimizer.state().get("weight_sum/x").item());
        }
    }

    @Test
    void contradictionsAreRefused() {
        OptimizerSettings none = new OptimizerSettings(0, 0, 0.9, 1e-8);
        Variant withoutBeta = new Variant("b", variants().getFirst().config(), none, 0, OptionalDouble.empty());
        try (Scope scope = Scope.open();
                Parameter x = new Parameter("x", Tensor.zeros(DType.FP32, 2))) {
            assertRefused("adam_beta1: found 0", () -> create(withoutBeta, List.of(x)));
            try (Optimizer optimizer = create(variants().getFirst(), List.of(x))) {
                assertRefused(
                        "ema: the optimizer evaluates an average of its own",
                        () -> optimizer.keepAverage(new WeightAverage(0.9, true)));
            }
        }
    }

    private static void assertRefused(String expected, org.junit.jupiter.api.function.Executable body) {
        QuernException e = assertThrows(QuernException.class, body);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith(expected), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }
}
