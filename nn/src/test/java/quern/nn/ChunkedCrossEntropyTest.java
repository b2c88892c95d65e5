package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The chunked head against the plain one, over more rows than a chunk holds. */
@Tag("each-path")
class ChunkedCrossEntropyTest extends ScopedTest {
    private static final int V = 37;
    private static final int D = 12;
    private static final int ROWS = 4;
    private static final int LENGTH = 150;

    /**
     * bf16 has 8 significant bits: one rounding is up to 2^-9. The two forms round the gradient of the logits once
     * each, and the plain form also rounds its weight gradient.
     */
    private static final double BF16 = 3.0 / 256;

    /** Of the largest element: sums over 6,000 words in another order. Worst measured: 2.5e-6. */
    private static final double MANY_WORDS = 1e-5;

    private enum Weights {
        GIVEN,
        NONE
    }

    /** Everything a pass gives: values written, the stream's cotangent, parameter gradients. */
    private static Map<String, float[]> run(
            Network network, Tensor hidden, Tensor targets, Weights weights, Map<String, Tensor> seeds, Pass pass) {
        Flow in = new Flow()
                .put("hidden_states", hidden.detach().requiresGrad_(true))
                .put("targets", targets);
        if (weights == Weights.GIVEN) {
            in.put("weights", weightsOf(targets));
        }
        Map<String, float[]> result = new LinkedHashMap<>();
        try (Tape tape = network.forward(in, pass)) {
            result.put("logprobs", tape.get("logprobs").toFloats());
            if (tape.has("loss")) {
                result.put("loss", tape.get("loss").toFloats());
            }
            tape.backward(seeds);
            result.put("d hidden_states", tape.gradient("hidden_states").toFloats());
        }
        result.putAll(Gradients.take(network));
        return result;
    }

    private static Tensor weightsOf(Tensor targets) {
        float[] w = new float[(int) targets.numel()];
        for (int i = 0; i < w.length; i++) {
            w[i] = (1 + i % 4) / (2.5f * w.length);
        }
        return Tensor.of(w, targets.shape());
    }

    private static Network head(DType dtype, boolean bias) {
        return head(dtype, bias, V);
    }

    private static Network head(DType dtype, boolean bias, int vocabulary) {
        try (Scope scope = Scope.open()) {
            Parameter w = new Parameter(
                    "w",
                    Tensor.randn(new RandomStream(1), vocabulary, D).mul(0.5).to(dtype));
            Parameter b = bias
                    ? new Parameter(
                            "b",
                            Tensor.randn(new RandomStream(2), vocabulary)
                                    .mul(0.5)
                                    .to(dtype))
                    : null;
            return new Network(List.of(new LanguageModelHead("lm_head", new Linear("lm_head", new DenseLinear(w, b)))));
        }
    }

    /** A pass under which the head takes its plain form. */
    private static Pass plain() {
        return Pass.training(0).probe("lm_head/logits", x -> x);
    }

    private static Tensor hidden(DType dtype) {
        return Tensor.randn(new RandomStream(3), ROWS, LENGTH, D).to(dtype);
    }

    private static Tensor targets(int ignoreEvery) {
        long[] t = new long[ROWS * LENGTH];
        for (int i = 0; i < t.length; i++) {
            t[i] = ignoreEvery > 0 && i % ignoreEvery == 0 ? -100 : (i * 7L) % V;
        }
        return Tensor.of(t, ROWS, LENGTH);
    }

    private static Map<String, Tensor> loss(double factor) {
        return Map.of("loss", Tensor.full(factor, DType.FP32, Device.CPU, 1));
    }

    private static Map<String, Tensor> logprobs() {
        return Map.of(
                "logprobs", Tensor.randn(new RandomStream(9), ROWS, LENGTH).mul(0.01));
    }

    private static Map<String, Tensor> both(double factor) {
        Map<String, Tensor> seeds = new LinkedHashMap<>(logprobs());
        seeds.putAll(loss(factor));
        return seeds;
    }

    private static void assertPlain(
            Network network,
            DType dtype,
            Tensor targets,
            Weights weights,
            Map<String, Tensor> seeds,
            double tolerance) {
        Tensor hidden = hidden(dtype);
        var expected = run(network, hidden, targets, weights, seeds, plain());
        Gradients.assertClose(expected, run(network, hidden, targets, weights, seeds, Pass.training(0)), tolerance);
        // Without training nothing is made in advance: backward has to compute the chunks again.
        Gradients.assertClose(expected, run(network, hidden, targets, weights, seeds, Pass.evaluation()), tolerance);
    }

    @Test
    void equalsThePlainHead() {
        for (boolean bias : new boolean[] {false, true}) {
            try (Network network = head(DType.FP32, bias)) {
                for (int ignore : new int[] {0, 3}) {
                    Tensor targets = targets(ignore);
                    assertPlain(network, DType.FP32, targets, Weights.GIVEN, loss(1), Gradients.FP32);
                    assertPlain(network, DType.FP32, targets, Weights.GIVEN, loss(-2.5), Gradients.FP32);
                    assertPlain(network, DType.FP32, targets, Weights.GIVEN, logprobs(), Gradients.FP32);
                    assertPlain(network, DType.FP32, targets, Weights.GIVEN, both(0.5), Gradients.FP32);
                    assertPlain(network, DType.FP32, targets, Weights.NONE, logprobs(), Gradients.FP32);
                }
            }
        }
    }

    /** So many words that one kernel makes logits, loss and gradients, where products are best made in fp32. */
    @Test
    void equalsThePlainHeadWithALargeVocabulary() {
        for (DType dtype : List.of(DType.FP32, DType.BF16)) {
            for (boolean bias : new boolean[] {false, true}) {
                try (Network network = head(dtype, bias, 6_000)) {
                    for (int ignore : new int[] {0, 3}) {
                        Tensor targets = targets(ignore);
                        double tolerance = dtype == DType.FP32 ? MANY_WORDS : BF16;
                        assertPlain(network, dtype, targets, Weights.GIVEN, loss(1), tolerance);
                        assertPlain(network, dtype, targets, Weights.GIVEN, both(0.5), tolerance);
                        assertPlain(network, dtype, targets, Weights.NONE, logprobs(), tolerance);
                    }
                }
            }
        }
    }

    @Test
    void equalsThePlainHeadUnderAPenalty() {
        Regularization penalty = new Regularization(Map.of(), 0.2, 1e-2, 0);
        for (DType dtype : List.of(DType.FP32, DType.BF16)) {
            double tolerance = dtype == DType.FP32 ? Gradients.FP32 : BF16;
            try (Network network = head(dtype, true)) {
                for (var seeds : List.of(loss(1), loss(-2.5), logprobs(), both(0.5))) {
                    Tensor hidden = hidden(dtype);
                    var expected = run(network, hidden, targets(3), Weights.GIVEN, seeds, plain().with(penalty));
                    Pass pass = Pass.training(0).with(penalty);
                    var actual = run(network, hidden, targets(3), Weights.GIVEN, seeds, pass);
                    Gradients.assertClose(expected, actual, tolerance);
                }
                // Log-probabilities without a loss have no penalty.
                Pass pass = Pass.training(0).with(penalty);
                var bare = run(network, hidden(dtype), targets(3), Weights.NONE, logprobs(), pass);
                var expected = run(network, hidden(dtype), targets(3), Weights.NONE, logprobs(), Pass.training(0));
                Gradients.assertSameBits(expected, bare);
            }
        }
    }

    @Test
    void equalsThePlainHeadInBf16() {
        try (Network network = head(DType.BF16, true)) {
            assertPlain(network, DType.BF16, targets(3), Weights.GIVEN, loss(1), BF16);
            assertPlain(network, DType.BF16, targets(3), Weights.GIVEN, both(0.5), BF16);
        }
    }

    @Test
    void weightGradientsOfBf16AreSummedInFp32() {
        try (Network network = head(DType.BF16, true)) {
            try (Tape tape = network.forward(
                    new Flow()
                            .put("hidden_states", hidden(DType.BF16))
                            .put("targets", targets(0))
                            .put("weights", weightsOf(targets(0))),
                    Pass.training(0))) {
                tape.backward(loss(1));
            }
            for (Parameter p : network.parameters()) {
                assertEquals(DType.FP32, p.grad().dtype(), p.name());
            }
        }
    }

    @Test
    void gradientsAddToThoseAlreadyThere() {
        try (Network network = head(DType.FP32, true)) {
            Tensor targets = targets(3);
            var once = run(network, hidden(DType.FP32), targets, Weights.GIVEN, loss(1), Pass.training(0));
            for (Parameter p : network.parameters()) {
                p.value()
                        .setGrad(
                                Tensor.full(1, DType.FP32, Device.CPU, p.value().shape()));
            }
            var onOnes = run(network, hidden(DType.FP32), targets, Weights.GIVEN, loss(1), Pass.training(0));
            for (Parameter p : network.parameters()) {
                float[] expected = once.get(p.name()).clone();
                for (int i = 0; i < expected.length; i++) {
                    expected[i] += 1;
                }
                Gradients.assertClose(expected, onOnes.get(p.name()), Gradients.FP32, p.name());
            }
        }
    }

    /** 64 MB of logits of four bytes, but 64 to 512 rows. */
    @Test
    void rowsOfAChunkFollowTheVocabulary() {
        assertEquals(512, LanguageModelHead.rowsAtOnce(65, DType.FP32, Device.CPU));
        assertEquals(333, LanguageModelHead.rowsAtOnce(50_304, DType.FP32, Device.CPU));
        assertEquals(64, LanguageModelHead.rowsAtOnce(1_000_000, DType.FP32, Device.CPU));
    }

    @Test
    void noTargetCounted() {
        try (Network network = head(DType.FP32, true)) {
            long[] none = new long[ROWS * LENGTH];
            Arrays.fill(none, -100);
            Tensor targets = Tensor.of(none, ROWS, LENGTH);
            var result = run(network, hidden(DType.FP32), targets, Weights.GIVEN, both(1), Pass.training(0));
            for (var e : result.entrySet()) {
                for (float x : e.getValue()) {
                    assertEquals(0f, Math.abs(x), e.getKey());
                }
            }
            assertEquals(List.of("logprobs", "loss", "d hidden_states", "w", "b"), List.copyOf(result.keySet()));
        }
    }

    @Test
    void frozenWeightStillPassesTheCotangentOn() {
        try (Network network = head(DType.FP32, true)) {
            var free = run(network, hidden(DType.FP32), targets(3), Weights.GIVEN, loss(1), Pass.training(0));
            network.parameters().forEach(p -> p.setTrainable(false));
            var frozen = run(network, hidden(DType.FP32), targets(3), Weights.GIVEN, loss(1), Pass.training(0));
            assertFalse(frozen.containsKey("w") || frozen.containsKey("b"));
            Gradients.assertSameBits(free.get("d hidden_states"), frozen.get("d hidden_states"), "d hidden_states");
        }
    }

    @Test
    void weightsThatWantAGradientGetOne() {
        try (Network network = head(DType.FP32, false)) {
            Tensor targets = targets(3);
            Flow in = new Flow()
                    .put("hidden_states", hidden(DType.FP32))
                    .put("targets", targets)
                    .put("weights", weightsOf(targets).requiresGrad_(true));
            try (Tape tape = network.forward(in, Pass.training(0))) {
                tape.backward(loss(2));
                // loss = -Σ weight · logprob
                Gradients.assertClose(
                        tape.get("logprobs").mul(-2).toFloats(),
                        tape.gradient("weights").toFloats(),
                        Gradients.FP32,
                        "weights");
            }
        }
    }

    @Test
    void inferenceGivesTheSameLogProbabilities() {
        try (Network network = head(DType.FP32, true)) {
            Flow in = new Flow().put("hidden_states", hidden(DType.FP32)).put("targets", targets(3));
            float[] chunked =
                    network.infer(in, Pass.evaluation()).get("logprobs").toFloats();
            float[] plain = network.infer(in, Pass.evaluation().probe("lm_head/logits", x -> x))
                    .get("logprobs")
                    .toFloats();
            Gradients.assertClose(plain, chunked, Gradients.FP32, "logprobs");
            Flow without = new Flow().put("hidden_states", hidden(DType.FP32));
            Tensor logits = network.infer(without, Pass.evaluation()).get("logits");
            assertArrayEquals(new long[] {ROWS, LENGTH, V}, logits.shape());
            Tensor last = network.infer(without, Pass.evaluation().withLastLogitsOnly())
                    .get("logits");
            // A matrix product over other row counts may sum in another order.
            Gradients.assertClose(
                    logits.narrow(1, LENGTH - 1, 1).toFloats(), last.toFloats(), Gradients.FP32, "last logits");
            assertTrue(network.infer(in, Pass.evaluation()).find("loss") == null);
        }
    }
}
