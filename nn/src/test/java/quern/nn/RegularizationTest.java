package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.SafetensorsFile;
import quern.tensor.Tensor;

/** What a training pass adds to a model's loss: torch's numbers, the same on recomputation, nothing in evaluation. */
class RegularizationTest extends ScopedTest {
    /** The reference is in double precision; fp32 sums of 29 terms are off by a few units in the last place. */
    private static final double REFERENCE = 2e-6;

    private static final Regularization ALL = new Regularization(rates(0.2), 0.1, 1e-2, 5);

    private static Map<Regularization.Place, Double> rates(double rate) {
        Map<Regularization.Place, Double> rates = new HashMap<>();
        for (Regularization.Place place : Regularization.Place.values()) {
            rates.put(place, rate);
        }
        return rates;
    }

    private static Regularization only(Regularization.Kind kind) {
        return switch (kind) {
            case EMBEDDING_DROPOUT -> new Regularization(Map.of(Regularization.Place.EMBEDDING, 0.3), 0, 0, 0);
            case ATTENTION_DROPOUT -> new Regularization(Map.of(Regularization.Place.ATTENTION, 0.3), 0, 0, 0);
            case RESIDUAL_DROPOUT -> new Regularization(Map.of(Regularization.Place.RESIDUAL, 0.3), 0, 0, 0);
            case FEED_FORWARD_DROPOUT -> new Regularization(Map.of(Regularization.Place.FEED_FORWARD, 0.3), 0, 0, 0);
            case LABEL_SMOOTHING -> new Regularization(Map.of(), 0.2, 0, 0);
            case Z_LOSS -> new Regularization(Map.of(), 0, 0.01, 0);
            case EMBEDDING_NOISE -> new Regularization(Map.of(), 0, 0, 5);
        };
    }

    private static float[] loss(Network network, Pass pass) {
        try (Tape tape = network.forward(ToyModel.batch(2, 3, 9), pass)) {
            float[] loss = tape.get("loss").toFloats();
            tape.backward(Gradients.seedLoss());
            return loss;
        }
    }

    /** The network takes its plain form where {@code plain}, else the chunked head. */
    private static void assertReference(Map<String, Tensor> reference, String name, boolean plain) {
        float[] settings = reference.get(name + ".settings").to(DType.FP32).toFloats();
        Parameter weight = new Parameter("w", reference.get("weight").to(DType.FP32));
        Tensor labels = reference.get("labels");
        Tensor weights =
                labels.ge(0).to(DType.FP32).div(labels.ge(0).to(DType.FP32).sum());
        Pass pass = Pass.training(0).with(new Regularization(Map.of(), settings[0], settings[1], 0));
        if (plain) {
            pass.probe("lm_head/logits", x -> x);
        }
        LanguageModelHead head = new LanguageModelHead("lm_head", new Linear("lm_head", new DenseLinear(weight, null)));
        try (Network network = new Network(List.of(head))) {
            Flow in = new Flow()
                    .put(
                            "hidden_states",
                            reference.get("hidden_states").to(DType.FP32).requiresGrad_(true))
                    .put("targets", labels)
                    .put("weights", weights);
            try (Tape tape = network.forward(in, pass)) {
                Gradients.assertClose(
                        reference.get(name + ".loss").to(DType.FP32).toFloats(),
                        tape.get("loss").toFloats(),
                        REFERENCE,
                        name);
                tape.backward(Gradients.seedLoss());
                Gradients.assertClose(
                        reference
                                .get(name + ".grad.hidden_states")
                                .to(DType.FP32)
                                .toFloats(),
                        tape.gradient("hidden_states").toFloats(),
                        REFERENCE,
                        name + " hidden states");
            }
            Gradients.assertClose(
                    reference.get(name + ".grad.weight").to(DType.FP32).toFloats(),
                    Gradients.take(network).get("w"),
                    REFERENCE,
                    name + " weight");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"smoothing", "z_loss", "both"})
    void lossAndGradientsAreTorchs(String name) throws URISyntaxException {
        Map<String, Tensor> reference = new HashMap<>();
        Path file = Path.of(RegularizationTest.class
                .getResource("softmax-losses.safetensors")
                .toURI());
        try (SafetensorsFile tensors = SafetensorsFile.open(file)) {
            for (String tensor : tensors.names()) {
                SafetensorsFile.Entry e = tensors.entry(tensor);
                DType dtype = DType.ofSafetensors(e.dtype(), file.toString(), tensor);
                reference.put(tensor, Tensor.copyOf(e.bytes(), dtype, e.shape()));
            }
        }
        assertReference(reference, name, false);
        assertReference(reference, name, true);
    }

    @Test
    void aMeanOverRowsIsTheSameLoss() {
        Tensor logits = ToyModel.parameter(5, "logits", 2, 6, 4).value();
        Tensor labels = Tensor.of(new long[] {0, 3, -100, 1, 2, 2}, 6);
        Regularization r = new Regularization(Map.of(), 0.3, 0.05, 0);
        double expected = 0;
        float[] x = logits.toFloats();
        for (int row : new int[] {0, 1, 3, 4, 5}) {
            double z = 0;
            double mean = 0;
            for (int c = 0; c < 4; c++) {
                z += Math.exp(x[row * 4 + c]);
                mean += x[row * 4 + c] / 4.0;
            }
            double log = Math.log(z);
            double target = x[row * 4 + (int) labels.toLongs()[row]];
            expected += 0.7 * (log - target) + 0.3 * (log - mean) + 0.05 * log * log;
        }
        assertEquals(expected / 5, SoftmaxLoss.mean(logits, labels, r).item(), REFERENCE * expected);
    }

    @ParameterizedTest
    @EnumSource
    void eachKindMovesTheLossAndStaysOutOfEvaluation(Regularization.Kind kind) {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            assertTrue(network.regularizers().contains(kind));
            assertEquals(EnumSet.of(kind), only(kind).kinds());
            float[] plain = loss(network, Pass.training(3));
            assertNotEquals(plain[0], loss(network, Pass.training(3).with(only(kind)))[0]);
            Gradients.assertSameBits(plain, loss(network, Pass.training(3).with(Regularization.NONE)), "none");
            // A training pass that was regularized leaves nothing behind in the network.
            Flow in = ToyModel.batch(2, 3, 9);
            Gradients.assertSameBits(
                    loss(network, Pass.evaluation()),
                    network.infer(in, Pass.evaluation()).get("loss").toFloats(),
                    "evaluation");
            assertThrows(IllegalArgumentException.class, () -> Pass.evaluation().with(only(kind)));
        }
    }

    @Test
    void recomputationDrawsTheSame() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            float[] plain = loss(network, Pass.training(3).with(ALL));
            Map<String, float[]> gradients = Gradients.take(network);
            network.addHook(new GradientCheckpointing(s -> true));
            Gradients.assertSameBits(plain, loss(network, Pass.training(3).with(ALL)), "loss");
            Gradients.assertSameBits(gradients, Gradients.take(network));
            assertNotEquals(plain[0], loss(network, Pass.training(4).with(ALL))[0], "another seed");
        }
    }

    @Test
    void ratesStandInForTheModelsOwn() {
        Regularization off = new Regularization(rates(0), 0, 0, 0);
        assertEquals(4, off.kinds().size(), "a rate of 0 is asked for too");
        try (Network without = ToyModel.decoder(ToyModel.Shape.PLAIN, 1);
                Network with = ToyModel.decoder(ToyModel.Shape.PLAIN.withDropout(0.4), 1)) {
            float[] expected = loss(without, Pass.training(3));
            assertFalse(loss(with, Pass.training(3))[0] == expected[0]);
            Gradients.assertSameBits(expected, loss(with, Pass.training(3).with(off)), "rates of 0");
        }
    }

    @Test
    void noiseOnTokenVectorsIsUniformAndScaledByLengthAndWidth() {
        double alpha = 5;
        long length = 16;
        Parameter tokens = ToyModel.parameter(2, "tokens", 1, 50, 64);
        TokenEmbedding embedding = new TokenEmbedding("embed", tokens, null, 0).withFactor(2);
        long[] ids = new long[8 * (int) length];
        Arrays.setAll(ids, i -> i % 50);
        Flow in = new Flow().put("input_ids", Tensor.of(ids, 8, length));
        try (Network network = new Network(List.of(embedding))) {
            float[] plain =
                    network.infer(in, Pass.training(1)).get("hidden_states").toFloats();
            Pass pass = Pass.training(1).with(new Regularization(Map.of(), 0, 0, alpha));
            float[] noised = network.infer(in, pass).get("hidden_states").toFloats();
            double most = alpha / Math.sqrt(length * 64.0);
            double sum = 0;
            double squares = 0;
            for (int i = 0; i < plain.length; i++) {
                // The factor comes after the noise.
                double noise = (noised[i] - plain[i]) / 2;
                // Rounding of sums of size 8 at most.
                assertTrue(Math.abs(noise) <= most + 1e-6, "noise " + noise);
                sum += noise;
                squares += noise * noise;
            }
            // Over 8,192 draws: mean 0 within 5 standard errors, variance most²/3 within 5%.
            assertEquals(0, sum / plain.length, 5 * most / Math.sqrt(3.0 * plain.length));
            assertEquals(1, squares / plain.length / (most * most / 3), 0.05);
        }
    }

    @Test
    void noiseFollowsTheLengthOfEachDocument() {
        Parameter tokens = ToyModel.parameter(2, "tokens", 1, 50, 64);
        TokenEmbedding embedding = new TokenEmbedding("embed", tokens, null, 0);
        Flow in = new Flow()
                .put("input_ids", Tensor.of(new long[100], 1, 100))
                .put("cu_seqlens", Tensor.of(new long[] {0, 4, 100}, 3));
        try (Network network = new Network(List.of(embedding))) {
            float[] plain =
                    network.infer(in, Pass.training(1)).get("hidden_states").toFloats();
            Pass pass = Pass.training(1).with(new Regularization(Map.of(), 0, 0, 5));
            float[] noised = network.infer(in, pass).get("hidden_states").toFloats();
            for (int[] document : new int[][] {{0, 4}, {4, 100}}) {
                double most = 5 / Math.sqrt((document[1] - document[0]) * 64.0);
                double largest = 0;
                for (int i = document[0] * 64; i < document[1] * 64; i++) {
                    largest = Math.max(largest, Math.abs(noised[i] - plain[i]));
                }
                // Of 256 draws or more the largest is near the border.
                assertTrue(largest <= most + 1e-6 && largest > 0.9 * most, largest + " of " + most);
            }
        }
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new Regularization(rates(1), 0, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new Regularization(Map.of(), 1.5, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new Regularization(Map.of(), 0, -1, 0));
        assertThrows(IllegalArgumentException.class, () -> new Regularization(Map.of(), 0, 0, Double.NaN));
    }
}
