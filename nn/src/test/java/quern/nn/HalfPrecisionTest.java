package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** What training in fp16 builds on: sums in fp32, gradients that a loss scale keeps, segments of two dtypes. */
class HalfPrecisionTest {
    /** One rounding to fp16's 11 significant bits. */
    private static final double ROUNDING = 1.0 / 2048;

    private static Tensor half(double value, long... shape) {
        return Tensor.full(value, DType.FP16, Device.CPU, shape);
    }

    /** 4096 times 0.1 in fp16 sums would stand still at 256, where a tenth is less than half a step. */
    @Test
    void productsAndNormsSumInFp32() {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            long n = 4096;
            double tenth = half(0.1, 1).item();
            double sum = n * tenth;
            double close = ROUNDING * sum;
            Tensor x = half(0.1, 1, n);
            Tensor ones = half(1, 1, n);
            assertEquals(sum, Functional.linear(x, ones, null).item(), close);
            assertEquals(sum, x.matmul(ones.t()).item(), close);
            assertEquals(sum, half(0, 1, 1).mmOut_(x, ones.t()).item(), close);
            assertEquals(sum, half(0, 1, 1).addmm_(x, ones.t()).item(), close);
            assertEquals(sum, x.view(1, 1, n).bmm(ones.view(1, n, 1)).item(), close);
            assertEquals(
                    sum,
                    half(0, 1, 1, 1)
                            .baddbmm(x.view(1, 1, n), ones.view(1, n, 1), 1, 1)
                            .item(),
                    close);
            // The product is scaled before it is rounded: 300·300·16 alone is beyond fp16.
            assertEquals(
                    14_400,
                    half(0, 1, 1, 1)
                            .baddbmm(half(300, 1, 1, 16), half(300, 1, 16, 1), 1, 0.01)
                            .item(),
                    ROUNDING * 14_400);
            assertEquals(sum, x.sum().item(), close);
            // Squares of 1000 are beyond fp16, too.
            assertEquals(
                    1,
                    Functional.rmsNorm(half(1000, 1, 64), null, 1e-5)
                            .select(1, 0)
                            .item(),
                    ROUNDING);
            assertEquals(
                    1.0 / n, Functional.softmax(half(1, 1, n), -1).select(1, 0).item(), ROUNDING / n);
        }
    }

    /** With a weight of 2^-23 a row the unscaled gradient of the logits is at most two of the least steps that fp16 knows. */
    @ParameterizedTest
    @ValueSource(doubles = {1 << 16, 1 << 20})
    void theHeadsGradientIsMadeForTheScaledLoss(double scale) {
        double weight = Math.pow(2, -23);
        float[] expected = gradient(DType.FP32, weight, 1, 1);
        float[] kept = gradient(DType.FP16, weight, scale, scale);
        float[] lost = gradient(DType.FP16, weight, 1, scale);
        double norm = 0;
        double off = 0;
        double offLost = 0;
        for (int i = 0; i < expected.length; i++) {
            norm += expected[i] * (double) expected[i];
            off += Math.pow(kept[i] / scale - expected[i], 2);
            offLost += Math.pow(lost[i] / scale - expected[i], 2);
        }
        // Inputs, logits and gradients are each rounded to 11 bits.
        assertTrue(Math.sqrt(off / norm) < 0.01, "off by " + Math.sqrt(off / norm));
        assertTrue(Math.sqrt(offLost / norm) > 0.1, "nothing was lost without the announcement");
    }

    /** The gradient of the head's weight for a loss that backward starts with {@code cotangent}. */
    private static float[] gradient(DType dtype, double weight, double announced, double cotangent) {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(3);
            Tensor x = Tensor.randn(random, 2, 8, 16).to(dtype);
            try (Parameter w = new Parameter("w", Tensor.randn(random, 32, 16).to(dtype));
                    Network network = new Network(
                            List.of(new LanguageModelHead("head", new Linear("head", new DenseLinear(w, null)))))) {
                Flow flow = new Flow()
                        .put("hidden_states", x)
                        .put("targets", Tensor.full(5, DType.INT64, Device.CPU, 2, 8))
                        .put("weights", Tensor.full(weight, DType.FP32, Device.CPU, 2, 8));
                try (Tape tape = network.forward(flow, Pass.training(1).withLossScale(announced))) {
                    double loss = tape.get("loss").item();
                    assertTrue(loss > 0 && loss < 16 * 20 * weight, "the loss itself is not scaled: " + loss);
                    tape.backward(Map.of("loss", Tensor.full(cotangent, DType.FP32, Device.CPU, 1)));
                }
                return w.grad().to(DType.FP32).toFloats();
            }
        }
    }

    /** A segment in bf16 between two in fp16: each reads what it computes in, and cotangents cross the casts. */
    @Test
    void segmentsOfTwoDtypesWorkTogether() {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(4);
            List<Parameter> weights = List.of(
                    new Parameter("a", Tensor.randn(random, 8, 8).to(DType.FP16)),
                    new Parameter("b", Tensor.randn(random, 8, 8).to(DType.FP16)),
                    new Parameter("c", Tensor.randn(random, 8, 8).to(DType.FP16)));
            try (Network network = new Network(weights.stream()
                    .map(p -> (Segment) new Projection(p.name(), new Linear(p.name(), new DenseLinear(p, null))))
                    .toList())) {
                Tensor x = Tensor.randn(random, 1, 4, 8).to(DType.FP16);
                float[] before = run(network, x);
                float[] gradient = weights.get(0).grad().to(DType.FP32).toFloats();
                network.parameters().forEach(Parameter::clearGrad);
                assertEquals(List.of("b"), network.convert("b", DType.BF16, Parameter::value));
                float[] after = run(network, x);
                float[] gradientAfter = weights.get(0).grad().to(DType.FP32).toFloats();
                assertEquals(DType.BF16, weights.get(1).value().dtype());
                assertEquals(DType.BF16, weights.get(1).grad().dtype());
                assertEquals(DType.FP16, weights.get(2).grad().dtype());
                assertClose(before, after);
                assertClose(gradient, gradientAfter);
                assertFalse(java.util.Arrays.equals(before, after), "bf16 rounds otherwise");
                // Both ways of running a network cast alike.
                Flow inferred = network.infer(new Flow().put("hidden_states", x), Pass.evaluation());
                assertEquals(DType.FP16, inferred.get("hidden_states").dtype());
                assertTrue(java.util.Arrays.equals(
                        after, inferred.get("hidden_states").to(DType.FP32).toFloats()));
            }
        }
    }

    private static float[] run(Network network, Tensor x) {
        try (Tape tape = network.forward(new Flow().put("hidden_states", x), Pass.training(1))) {
            Tensor y = tape.get("hidden_states");
            tape.backward(Map.of("hidden_states", Tensor.full(1, DType.FP16, Device.CPU, y.shape())));
            return y.to(DType.FP32).toFloats();
        }
    }

    /** Within some roundings to bf16's 8 bits of the largest value. */
    private static void assertClose(float[] expected, float[] actual) {
        double largest = 0;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], 0.02 * largest);
        }
    }
}
