package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Gradients through gradients, by one graph of the whole network. */
class SecondOrderTest extends ScopedTest {
    private static final double RATE = 0.05;

    /**
     * One MAML step on f(w) = Σ (w - b)³ / 3, then the outer loss Σ (w' - d)² / 2 at w' = w - α (w - b)². By hand:
     * d outer / dw = (w' - d)(1 - 2α (w - b)).
     */
    @Test
    void oneMamlStepEqualsTheAnswerByHand() {
        int n = 5;
        Parameter w = ToyModel.parameter(1, "w", 1, n);
        Segment inner = new ToySegment("inner", List.of("b"), List.of("inner"), List.of(w), (flow, pass) -> {
            Tensor x = pass.value(w).sub(flow.get("b"));
            flow.put("inner", x.mul(x).mul(x).sum().div(3).view(1));
        });
        Segment outer = new ToySegment(
                "outer",
                List.of("d"),
                List.of("outer"),
                List.of(w),
                (flow, pass) -> flow.put(
                        "outer",
                        pass.value(w).sub(flow.get("d")).square().sum().mul(0.5).view(1)));
        float[] b = {0.3f, -1, 2, 0, 0.7f};
        float[] d = {1, 0.5f, -0.25f, 3, -2};
        try (Network network = new Network(List.of(inner, outer))) {
            Flow task = new Flow().put("b", Tensor.of(b, n)).put("d", Tensor.of(d, n));
            Tensor innerLoss =
                    network.wholeGraph(Map.of(), task, Pass.training(0)).get("inner");
            Tensor g = Autograd.grad(List.of(innerLoss), List.of(w.value()), List.of(Gradients.one()), true, true)
                    .get(0);
            Tensor adapted = w.value().sub(g.mul(RATE));
            Tensor outerLoss = network.wholeGraph(Map.of("w", adapted), task, Pass.training(0))
                    .get("outer");
            Autograd.backward(List.of(outerLoss), List.of(Gradients.one()));

            float[] x = w.value().toFloats();
            float[] expected = new float[n];
            for (int i = 0; i < n; i++) {
                double step = x[i] - RATE * (x[i] - b[i]) * (x[i] - b[i]);
                expected[i] = (float) ((step - d[i]) * (1 - 2 * RATE * (x[i] - b[i])));
            }
            Gradients.assertClose(expected, w.grad().toFloats(), Gradients.FP32, "w");
        }
    }

    /** H·v of the toy decoder by double backward, against a central difference of first gradients. */
    @Test
    void hessianVectorProductOfADecoder() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN.in(DType.FP64), 1)) {
            Flow batch = ToyModel.batch(2, 2, 6);
            List<Tensor> values =
                    network.parameters().stream().map(Parameter::value).toList();
            List<Tensor> directions = new ArrayList<>();
            for (int i = 0; i < values.size(); i++) {
                directions.add(
                        Tensor.randn(new RandomStream(i), values.get(i).shape()).to(DType.FP64));
            }
            Tensor loss = network.wholeGraph(Map.of(), batch, Pass.training(0)).get("loss");
            List<Tensor> gradient = Autograd.grad(List.of(loss), values, List.of(Gradients.one()), true, true);
            List<Tensor> product = Autograd.grad(gradient, values, directions, false, false);

            // Truncation falls with the square of the step; softmax is taken in fp32, so a smaller step meets noise.
            double step = 1e-3;
            List<Tensor> up = gradientAt(network, batch, values, directions, step);
            List<Tensor> down = gradientAt(network, batch, values, directions, -step);
            double deviation = 0;
            double size = 0;
            for (int i = 0; i < values.size(); i++) {
                Tensor difference = up.get(i).sub(down.get(i)).div(2 * step);
                deviation += difference.sub(product.get(i)).square().sum().item();
                size += product.get(i).square().sum().item();
            }
            assertTrue(size > 1e-6);
            // The truncation measured at this step is 1e-3; a wrong second derivative deviates by about one.
            assertTrue(deviation < 1e-4 * size, "relative deviation " + Math.sqrt(deviation / size));
        }
    }

    private static List<Tensor> gradientAt(
            Network network, Flow batch, List<Tensor> values, List<Tensor> directions, double step) {
        for (int i = 0; i < values.size(); i++) {
            values.get(i).detach().add_(directions.get(i), step);
        }
        Tensor loss = network.wholeGraph(Map.of(), batch, Pass.training(0)).get("loss");
        List<Tensor> gradient = Autograd.grad(List.of(loss), values, List.of(Gradients.one()), false, false);
        for (int i = 0; i < values.size(); i++) {
            values.get(i).detach().add_(directions.get(i), -step);
        }
        return gradient;
    }

    @Test
    void substitutesStandInForParametersByName() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN.withTiedEnds(), 1)) {
            Flow batch = ToyModel.batch(2, 2, 6);
            Pass pass = Pass.evaluation();
            Tensor embedding = network.parameters().get(0).value();
            Tensor other = Tensor.full(0, DType.FP32, Device.CPU, embedding.shape());
            double before =
                    network.wholeGraph(Map.of(), batch, pass).get("loss").item();
            double blank = network.wholeGraph(Map.of("embed_tokens.weight", other), batch, pass)
                    .get("loss")
                    .item();
            double after = network.wholeGraph(Map.of(), batch, pass).get("loss").item();
            // A blank tied embedding makes every token equally likely.
            double weights = batch.get("weights")
                    .mul(batch.get("targets").ge(0).to(DType.FP32))
                    .sum()
                    .item();
            assertEquals(weights * Math.log(ToyModel.VOCABULARY), blank, 1e-5);
            assertEquals(before, after, "the substitute is gone after the call");
            assertThrows(IllegalArgumentException.class, () -> network.wholeGraph(Map.of("wte", other), batch, pass));
        }
    }

    @Test
    void checkpointingIsRefused() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            network.addHook(new GradientCheckpointing(s -> s.name().equals("layers.1")));
            QuernException e = assertThrows(
                    QuernException.class,
                    () -> network.wholeGraph(Map.of(), ToyModel.batch(2, 2, 6), Pass.training(0)));
            assertTrue(e.getMessage().contains("layers.1"), e.getMessage());
            assertTrue(e.getMessage().contains("gradient_checkpointing: false"), e.getMessage());
        }
    }
}
