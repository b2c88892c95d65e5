package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** The mixer's matrix form against the recurrence that it stands for, and generation by its state. */
class StateSpaceMixerTest extends ScopedTest {
    private static final int WIDTH = 6;
    private static final int HEADS = 2;
    private static final int HEAD = 3;
    private static final int STATE = 4;
    private static final int KERNEL = 3;
    private static final int INNER = HEADS * HEAD;
    private static final int LENGTH = 21;

    /** Stretches sum in another order than tokens one by one. */
    private static final double STRETCHED = 4e-6;

    private static Linear linear(String name, long in, long out) {
        return new Linear(
                name,
                new DenseLinear(
                        ToyModel.parameter(name.hashCode(), name + ".weight", 1.5 / Math.sqrt(in), out, in), null));
    }

    private static Parameter parameter(String name, double std, long... shape) {
        return ToyModel.parameter(name.hashCode(), name, std, shape);
    }

    private static StateSpaceMixer.Weights weights(String name) {
        int convolved = INNER + 2 * STATE;
        return new StateSpaceMixer.Weights(
                linear(name + ".in", WIDTH, INNER + convolved + HEADS),
                parameter(name + ".kernel", 0.6, convolved, KERNEL),
                parameter(name + ".kernel_bias", 0.2, convolved),
                parameter(name + ".a", 0.7, HEADS),
                parameter(name + ".step", 0.7, HEADS),
                parameter(name + ".d", 0.7, HEADS),
                new Norm.RmsNorm(new Parameter(name + ".norm", Tensor.full(1.2, DType.FP32, Device.CPU, INNER)), 1e-5),
                linear(name + ".out", INNER, WIDTH));
    }

    private static StateSpaceMixer mixer(int layer, int stretch) {
        String name = "layers." + layer;
        return new StateSpaceMixer(
                name, layer, new StateSpaceMixer.Shape(HEADS, HEAD, STATE, KERNEL, stretch), weights(name));
    }

    private static double[] row(Tensor x, int index) {
        float[] flat = x.select(0, index).contiguous().toFloats();
        double[] row = new double[flat.length];
        Arrays.setAll(row, i -> flat[i]);
        return row;
    }

    private static double silu(double x) {
        return x / (1 + Math.exp(-x));
    }

    /** Token by token, in double precision. */
    private static float[] oracle(Tensor x_TD) {
        StateSpaceMixer.Weights w = weights("layers.0");
        Tensor projected = w.input().forward(x_TD, Pass.evaluation());
        double[] a = row(w.a_H().value().unsqueeze(0), 0);
        double[] stepBias = row(w.stepBias_H().value().unsqueeze(0), 0);
        double[] d = row(w.d_H().value().unsqueeze(0), 0);
        double[] bias = row(w.kernelBias_C().value().unsqueeze(0), 0);
        int convolved = INNER + 2 * STATE;
        double[][][] state = new double[HEADS][HEAD][STATE];
        int length = (int) x_TD.size(0);
        float[] gated = new float[length * INNER];
        for (int t = 0; t < length; t++) {
            double[] now = row(projected, t);
            double[] u = new double[convolved];
            for (int c = 0; c < convolved; c++) {
                double sum = bias[c];
                for (int k = 0; k < KERNEL; k++) {
                    int from = t - (KERNEL - 1) + k;
                    if (from >= 0) {
                        sum += row(projected, from)[INNER + c]
                                * row(w.kernel_CK().value(), c)[k];
                    }
                }
                u[c] = silu(sum);
            }
            for (int h = 0; h < HEADS; h++) {
                double step = Math.log1p(Math.exp(now[INNER + convolved + h] + stepBias[h]));
                double left = Math.exp(-step * Math.exp(a[h]));
                for (int p = 0; p < HEAD; p++) {
                    double input = u[h * HEAD + p];
                    double y = d[h] * input;
                    for (int n = 0; n < STATE; n++) {
                        state[h][p][n] = left * state[h][p][n] + step * input * u[INNER + n];
                        y += state[h][p][n] * u[INNER + STATE + n];
                    }
                    gated[t * INNER + h * HEAD + p] = (float) (y * silu(now[h * HEAD + p]));
                }
            }
        }
        Tensor normed = w.norm().forward(Tensor.of(gated, length, INNER), Pass.evaluation());
        return w.output().forward(normed, Pass.evaluation()).toFloats();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 7, 64})
    void stretchesGiveTheRecurrence(int stretch) {
        Tensor x = Tensor.randn(new RandomStream(4), 1, LENGTH, WIDTH);
        float[] actual =
                mixer(0, stretch).forward(x, new Flow(), Pass.evaluation()).toFloats();
        Gradients.assertClose(oracle(x.view(LENGTH, WIDTH)), actual, STRETCHED, "stretch " + stretch);
    }

    @Test
    void largeStepsOverflowNothing() {
        Tensor x = Tensor.randn(new RandomStream(4), 1, LENGTH, WIDTH).mul(60);
        Tensor y = mixer(0, 64).forward(x, new Flow(), Pass.evaluation());
        assertEquals(0, y.isFinite().logicalNot().sum().item());
    }

    private static Network network() {
        List<Segment> visits = new ArrayList<>();
        visits.add(
                new TokenEmbedding("embed", ToyModel.parameter(1, "embed", 0.7, ToyModel.VOCABULARY, WIDTH), null, 0));
        for (int layer = 0; layer < 2; layer++) {
            String name = "layers." + layer;
            Parameter weight = new Parameter(name + ".pre", Tensor.full(1, DType.FP32, Device.CPU, WIDTH));
            visits.add(new TransformerBlock(name, Residual.preNorm(new Norm.RmsNorm(weight, 1e-5), mixer(layer, 4))));
        }
        visits.add(new LanguageModelHead("lm_head", linear("lm_head", WIDTH, ToyModel.VOCABULARY)));
        return new Network(visits);
    }

    @Test
    void generationByStateIsOneLongPass() {
        try (Network network = network();
                KeyValueCache cache = new KeyValueCache()) {
            Tensor ids = Tensor.of(ToyModel.ids(3, 2 * LENGTH), 2, LENGTH);
            Tensor whole = network.infer(new Flow().put("input_ids", ids), Pass.evaluation())
                    .get("logits");
            List<Tensor> steps = new ArrayList<>();
            long bytes = 0;
            for (int t : new int[] {6, 1, 1, 5, 1, 1, 1, 1, 1, 1, 1, 1}) {
                Flow flow = new Flow().put("input_ids", ids.narrow(1, cache.length(), t));
                steps.add(
                        network.infer(flow, Pass.evaluation().withCache(cache)).get("logits"));
                bytes = bytes == 0 ? cache.bytes() : bytes;
                assertEquals(bytes, cache.bytes(), "the same however long the text");
            }
            Gradients.assertClose(whole.toFloats(), Tensor.cat(steps, 1).toFloats(), STRETCHED, "by state");
        }
    }

    @Test
    void paddedRowsAndDocumentsGetWhatTheyWouldGetAlone() {
        try (Network network = network()) {
            Tensor ids = Tensor.of(ToyModel.ids(3, LENGTH), 1, LENGTH);
            Tensor alone = network.infer(new Flow().put("input_ids", ids.narrow(1, 5, LENGTH - 5)), Pass.evaluation())
                    .get("logits");
            long[] mask = new long[LENGTH];
            Arrays.fill(mask, 5, LENGTH, 1);
            Tensor padded = network.infer(
                            new Flow().put("input_ids", ids).put("attention_mask", Tensor.of(mask, 1, LENGTH)),
                            Pass.evaluation())
                    .get("logits");
            Gradients.assertClose(
                    alone.toFloats(), padded.narrow(1, 5, LENGTH - 5).toFloats(), STRETCHED, "padded");
            Tensor documents = network.infer(
                            new Flow().put("input_ids", ids).put("cu_seqlens", Tensor.of(new long[] {0, 5, LENGTH}, 3)),
                            Pass.evaluation())
                    .get("logits");
            Gradients.assertClose(
                    alone.toFloats(), documents.narrow(1, 5, LENGTH - 5).toFloats(), STRETCHED, "documents");
        }
    }

    @Test
    void segmentWiseGradientsAreThoseOfTheWholeGraph() {
        try (Network network = network()) {
            Flow batch = ToyModel.batch(5, 2, 11);
            var whole = Gradients.whole(network, batch, Pass.training(3), Gradients.seedLoss());
            var byTape = Gradients.segmentWise(network, batch, Pass.training(3), Gradients.seedLoss());
            Gradients.assertClose(whole, byTape, STRETCHED);
            Gradients.assertAlive(byTape, network);
        }
    }
}
