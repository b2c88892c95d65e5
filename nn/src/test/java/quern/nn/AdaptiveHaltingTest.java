package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Halting against a position at a time in fp64, and its gradients. */
class AdaptiveHaltingTest extends ScopedTest {
    /** fp32 against fp64 over a handful of steps; worst seen 4e-7. */
    private static final double CLOSE = 5e-6;

    private static final int WIDTH = 5;
    private static final int STEPS = 6;
    private static final double EPSILON = 0.05;

    private final Parameter w = ToyModel.parameter(1, "block.w", 0.5, WIDTH, WIDTH);
    private final Parameter unit = ToyModel.parameter(2, "unit.weight", 0.6, 1, WIDTH);
    private final Parameter bias = ToyModel.parameter(3, "unit.bias", 0.3, 1);

    /** The block mixes positions, so that what a halted one keeps matters to the others. */
    private Network network(int steps, double ponder) {
        AdaptiveHalting halting =
                new AdaptiveHalting("halting", new Linear("unit", new DenseLinear(unit, bias)), steps, EPSILON);
        Segment block = new ToySegment(
                "block", List.of("hidden_states"), List.of("hidden_states"), List.of(w), (flow, pass) -> {
                    Tensor x = flow.get("hidden_states");
                    Tensor mixed = x.add(x.mean(true, 1));
                    flow.put("hidden_states", x.add(mixed.matmul(pass.value(w)).tanh()));
                });
        List<Segment> visits = new ArrayList<>();
        for (int i = 0; i < steps; i++) {
            visits.add(halting.before(i));
            visits.add(new StepSignal("step." + i, i, null, false));
            visits.add(block);
            visits.add(halting.after(i));
        }
        visits.add(new ToySegment(
                "loss",
                List.of("hidden_states"),
                List.of("loss"),
                List.of(),
                (flow, pass) -> flow.put(
                        "loss", flow.get("hidden_states").square().mean().view(1))));
        visits.add(new PonderLoss("ponder", ponder));
        return new Network(visits);
    }

    private static Flow inputs() {
        return new Flow()
                .put("hidden_states", Tensor.randn(new RandomStream(9), 2, 4, WIDTH))
                .put("weights", Tensor.full(1.0 / 8, DType.FP32, Device.CPU, 2, 4));
    }

    @Test
    void outcomesAndCostsAreThoseOfAPositionAtATime() {
        try (Network network = network(STEPS, 0.5)) {
            Flow inputs = inputs();
            Flow out = network.infer(inputs, Pass.training(1));
            float[] states = out.get("hidden_states").toFloats();
            float[] costs = out.get(AdaptiveHalting.COST).toFloats();
            float[] x = inputs.get("hidden_states").toFloats();
            float[] weights = w.value().toFloats();
            float[] u = unit.value().toFloats();
            double b = bias.value().item();
            Set<Integer> halts = new HashSet<>();
            double sumOfCosts = 0;
            double squares = 0;
            for (int row = 0; row < 2; row++) {
                double[][] state = new double[4][WIDTH];
                double[][] outcome = new double[4][WIDTH];
                double[] sum = new double[4];
                double[] cost = new double[4];
                boolean[] halted = new boolean[4];
                for (int t = 0; t < 4; t++) {
                    for (int d = 0; d < WIDTH; d++) {
                        state[t][d] = x[(row * 4 + t) * WIDTH + d];
                    }
                }
                for (int step = 0; step < STEPS; step++) {
                    double[][] next = block(state, weights, step);
                    for (int t = 0; t < 4; t++) {
                        if (halted[t]) {
                            next[t] = state[t];
                            continue;
                        }
                        double score = b;
                        for (int d = 0; d < WIDTH; d++) {
                            score += u[d] * state[t][d];
                        }
                        double h = 1 / (1 + Math.exp(-score));
                        cost[t] += 1;
                        double p = h;
                        if (sum[t] + h >= 1 - EPSILON || step == STEPS - 1) {
                            p = 1 - sum[t];
                            cost[t] += p;
                            halted[t] = true;
                            halts.add(step);
                        }
                        sum[t] += p;
                        for (int d = 0; d < WIDTH; d++) {
                            outcome[t][d] += p * next[t][d];
                        }
                    }
                    state = next;
                }
                for (int t = 0; t < 4; t++) {
                    assertEquals(1, sum[t], 1e-12);
                    assertEquals(cost[t], costs[row * 4 + t], CLOSE);
                    sumOfCosts += cost[t];
                    for (int d = 0; d < WIDTH; d++) {
                        assertEquals(outcome[t][d], states[(row * 4 + t) * WIDTH + d], CLOSE);
                        squares += outcome[t][d] * outcome[t][d];
                    }
                }
            }
            assertTrue(halts.size() > 1, "positions halt at different steps: " + halts);
            assertEquals(
                    squares / (8 * WIDTH) + 0.5 * sumOfCosts / 8,
                    out.get("loss").item(),
                    CLOSE);
        }
    }

    private static double[][] block(double[][] state, float[] weights, int step) {
        double[][] x = new double[4][WIDTH];
        double[] mean = new double[WIDTH];
        for (int t = 0; t < 4; t++) {
            for (int d = 0; d < WIDTH; d++) {
                double angle = (step + 1) / Math.pow(10_000, (d - d % 2) / (double) WIDTH);
                x[t][d] = state[t][d] + (d % 2 == 0 ? Math.sin(angle) : Math.cos(angle));
                mean[d] += x[t][d] / 4;
            }
        }
        double[][] next = new double[4][WIDTH];
        for (int t = 0; t < 4; t++) {
            for (int d = 0; d < WIDTH; d++) {
                double sum = 0;
                for (int e = 0; e < WIDTH; e++) {
                    sum += (x[t][e] + mean[e]) * weights[e * WIDTH + d];
                }
                next[t][d] = x[t][d] + Math.tanh(sum);
            }
        }
        return next;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, STEPS})
    void gradientsBySegmentsAreThoseOfTheWholeGraph(int steps) {
        try (Network network = network(steps, 0.5)) {
            var whole = Gradients.whole(network, inputs(), Pass.training(7), Gradients.seedLoss());
            if (steps > 1) {
                Gradients.assertAlive(whole, network);
            }
            Gradients.assertClose(
                    whole,
                    Gradients.segmentWise(network, inputs(), Pass.training(7), Gradients.seedLoss()),
                    Gradients.FP32);
        }
    }

    /** The ponder cost is differentiable by its remainder: a central difference agrees. */
    @Test
    void theUnitLearnsFromThePonderCost() {
        try (Network network = network(STEPS, 5)) {
            Map<String, float[]> gradients =
                    Gradients.segmentWise(network, inputs(), Pass.training(7), Gradients.seedLoss());
            double step = 1e-3;
            double[] losses = new double[2];
            for (int i = 0; i < 2; i++) {
                bias.value().detach().add_(i == 0 ? step : -2 * step);
                losses[i] =
                        network.infer(inputs(), Pass.training(7)).get("loss").item();
            }
            assertEquals((losses[0] - losses[1]) / (2 * step), gradients.get("unit.bias")[0], 5e-3);
        }
    }

    @Test
    void oneStepIsTheBlockItself() {
        try (Network network = network(1, 0.5)) {
            Flow inputs = inputs();
            Flow out = network.infer(inputs, Pass.evaluation());
            Flow block = network.part(1, 3).infer(inputs, Pass.evaluation());
            assertTrue(block.get("hidden_states").equal(out.get("hidden_states")));
            for (float cost : out.get(AdaptiveHalting.COST).toFloats()) {
                assertEquals(2, cost, "one step and a remainder of 1");
            }
            // Outside training thinking costs nothing: validation losses of models can be compared.
            assertEquals(
                    out.get("hidden_states").square().mean().item(),
                    out.get("loss").item());
        }
    }
}
