package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Experts against the sum that defines them, and the loss that balances them. */
class MixtureOfExpertsTest extends ScopedTest {
    private static final int EXPERTS = 4;
    private static final int TOP_K = 2;
    private static final int WIDTH = 6;
    private static final int INNER = 5;

    private final Parameter router = ToyModel.parameter(1, "gate.weight", 1, EXPERTS, WIDTH);
    private final Parameter gateUp = ToyModel.parameter(2, "gate_up_proj", 0.5, EXPERTS, 2 * INNER, WIDTH);
    private final Parameter down = ToyModel.parameter(3, "down_proj", 0.5, EXPERTS, WIDTH, INNER);

    private MixtureOfExperts experts(double jitter) {
        return new MixtureOfExperts(
                        "block",
                        "0",
                        new Linear("gate", new DenseLinear(router, null)),
                        new MixtureOfExperts.Experts(gateUp, down, Activation.SILU, true),
                        TOP_K)
                .withJitter(jitter);
    }

    private static Tensor input() {
        return Tensor.randn(new RandomStream(9), 2, 7, WIDTH);
    }

    @Test
    void equalsTheWeightedSumOfThePickedExperts() {
        Tensor x = input().view(14, WIDTH);
        Tensor p = Functional.softmax(Functional.linear(x, router.value(), null), -1);
        float[] shares = p.toFloats();
        Tensor[] all = new Tensor[EXPERTS];
        for (int e = 0; e < EXPERTS; e++) {
            Tensor both = Functional.linear(x, gateUp.value().select(0, e), null);
            Tensor hidden = Functional.silu(both.narrow(1, 0, INNER)).mul(both.narrow(1, INNER, INNER));
            all[e] = Functional.linear(hidden, down.value().select(0, e), null);
        }
        Tensor expected = Tensor.zeros(DType.FP32, 14, WIDTH);
        for (int n = 0; n < 14; n++) {
            int best = -1;
            int second = -1;
            for (int e = 0; e < EXPERTS; e++) {
                float share = shares[n * EXPERTS + e];
                if (best < 0 || share > shares[n * EXPERTS + best]) {
                    second = best;
                    best = e;
                } else if (second < 0 || share > shares[n * EXPERTS + second]) {
                    second = e;
                }
            }
            double sum = shares[n * EXPERTS + best] + shares[n * EXPERTS + second];
            for (int e : new int[] {best, second}) {
                expected.select(0, n).add_(all[e].select(0, n), shares[n * EXPERTS + e] / sum);
            }
        }
        Flow flow = new Flow();
        Tensor y = experts(0).forward(input(), flow, Pass.evaluation());
        Gradients.assertClose(expected.toFloats(), y.toFloats(), Gradients.FP32, "experts");
        assertTrue(flow.get("router_logits.0").view(14, EXPERTS).equal(Functional.linear(x, router.value(), null)));
    }

    /** Its neighbours' padding neither fills an expert that a token needs nor counts as load. */
    @Test
    void paddingGoesToNoExpert() {
        long[] mask = {1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
        int real = 8;
        Tensor x_ND = input().view(14, WIDTH);
        Tensor kept = Tensor.cat(List.of(x_ND.narrow(0, 0, 3), x_ND.narrow(0, 9, 5)), 0);
        MixtureOfExperts limited = experts(0).withCapacity(0.75).withoutPadding();
        Map<String, Double> ofReal = new TreeMap<>();
        Tensor expected = limited.forward(
                        kept.view(1, real, WIDTH), new Flow(), Pass.training(1).withReports(ofReal))
                .view(real, WIDTH);
        assertTrue(ofReal.get("router_dropped.0") > 0);
        Map<String, Double> ofPadded = new TreeMap<>();
        Flow flow = new Flow().put("attention_mask", Tensor.of(mask, 2, 7));
        Tensor y_ND = limited.forward(input(), flow, Pass.training(1).withReports(ofPadded))
                .view(14, WIDTH);
        Tensor found = Tensor.cat(List.of(y_ND.narrow(0, 0, 3), y_ND.narrow(0, 9, 5)), 0);
        Gradients.assertClose(expected.toFloats(), found.toFloats(), Gradients.FP32, "real tokens");
        assertEquals(0, y_ND.narrow(0, 3, 6).abs().max().item());
        assertEquals(ofReal.keySet(), ofPadded.keySet());
        ofReal.forEach((name, value) -> assertEquals(value, ofPadded.get(name), 1e-6, name));
    }

    @Test
    void jitterIsForTrainingAndFollowsTheSeed() {
        Tensor plain = experts(0).forward(input(), new Flow(), Pass.training(1));
        Tensor first = experts(0.3).forward(input(), new Flow(), Pass.training(1));
        assertTrue(first.equal(experts(0.3).forward(input(), new Flow(), Pass.training(1))));
        assertFalse(first.equal(plain));
        assertTrue(plain.equal(experts(0.3).forward(input(), new Flow(), Pass.evaluation())));
    }

    private static double loss(float[] logits, long[] mask, float[] weights) {
        Flow flow = new Flow()
                .put("router_logits.0", Tensor.of(logits, 1, logits.length / 2, 2))
                .put("loss", Tensor.of(new float[] {10}, 1))
                .put("weights", Tensor.of(weights, 1, weights.length));
        if (mask != null) {
            flow.put("attention_mask", Tensor.of(mask, 1, mask.length));
        }
        RouterLoss.ofAllTogether("router_loss", List.of("0"), 1, 0.5).forward(flow, Pass.evaluation());
        return flow.get("loss").item() - 10;
    }

    @Test
    void theLossIsSharesTimesProbabilities() {
        float ln3 = (float) Math.log(3);
        // Probabilities 3/4 and 1/4, then 1/4 and 3/4, then 3/4 and 1/4.
        float[] logits = {ln3, 0, 0, ln3, ln3, 0};
        float third = 1 / 3f;
        double all = 0.5 * 2 * (2 / 3.0 * (1.75 / 3) + 1 / 3.0 * (1.25 / 3));
        assertEquals(all, loss(logits, null, new float[] {third, third, third}), 1e-6);
        // Two of the three tokens are real: one for each expert.
        assertEquals(0.5, loss(logits, new long[] {1, 1, 0}, new float[] {0.5f, 0.5f, 0}), 1e-6);
        // A pass that is half of the batch.
        assertEquals(all / 2, loss(logits, null, new float[] {0.5f, 0, 0}), 1e-6);
    }

    @Test
    void withoutALossNothingIsAdded() {
        Flow flow = new Flow().put("router_logits.0", Tensor.of(new float[] {1, 2}, 1, 1, 2));
        RouterLoss.ofAllTogether("router_loss", List.of("0"), 1, 0.5).forward(flow, Pass.evaluation());
        assertFalse(flow.has("loss"));
    }

    private static Linear dense(String name, Tensor weight) {
        return new Linear(name, new DenseLinear(new Parameter(name + ".weight", weight), null));
    }

    private static MixtureOfExperts one(boolean gated, Parameter input, Parameter output) {
        return new MixtureOfExperts(
                "block",
                "0",
                new Linear("gate", new DenseLinear(ToyModel.parameter(1, "one.weight", 1, 1, WIDTH), null)),
                new MixtureOfExperts.Experts(input, output, Activation.GELU, gated),
                1);
    }

    @Test
    void oneExpertIsItsDenseLayer() {
        Parameter gated = ToyModel.parameter(4, "gated", 0.5, 1, 2 * INNER, WIDTH);
        Parameter plain = ToyModel.parameter(5, "plain", 0.5, 1, INNER, WIDTH);
        Parameter out = ToyModel.parameter(6, "out", 0.5, 1, WIDTH, INNER);
        Linear down = dense("down_proj", out.value().select(0, 0).copy());
        Tensor both = gated.value().select(0, 0);
        FeedForward gatedDense = new FeedForward(
                "block",
                dense("gate_proj", both.narrow(0, 0, INNER).copy()),
                dense("up_proj", both.narrow(0, INNER, INNER).copy()),
                down,
                Activation.GELU);
        FeedForward plainDense = new FeedForward(
                "block", null, dense("up_proj_2", plain.value().select(0, 0).copy()), down, Activation.GELU);
        Tensor x = input();
        Pass pass = Pass.training(1);
        float[] dense = gatedDense.forward(x, new Flow(), pass).toFloats();
        for (MixtureOfExperts experts : List.of(one(true, gated, out).withCapacity(1), one(true, gated, out))) {
            // Gate and up rows are one product here and two there.
            Gradients.assertClose(
                    dense, experts.forward(x, new Flow(), pass).toFloats(), Gradients.FP32, "one gated expert");
        }
        MixtureOfExperts own = one(false, plain, out).withOwnProbabilities().withCapacity(1);
        Gradients.assertClose(
                plainDense.forward(x, new Flow(), pass).toFloats(),
                own.forward(x, new Flow(), pass).toFloats(),
                Gradients.FP32,
                "one plain expert");
    }

    @Test
    void sharedExpertsAreAddedForEveryToken() {
        FeedForward shared = new FeedForward(
                "block",
                null,
                dense("shared_up", ToyModel.parameter(7, "s", 0.5, INNER, WIDTH).value()),
                dense(
                        "shared_down",
                        ToyModel.parameter(8, "t", 0.5, WIDTH, INNER).value()),
                Activation.RELU);
        Tensor x = input();
        Tensor y = experts(0).withShared(shared).forward(x, new Flow(), Pass.evaluation());
        Tensor expected = experts(0)
                .forward(x, new Flow(), Pass.evaluation())
                .add(shared.forward(x, new Flow(), Pass.evaluation()));
        assertTrue(y.equal(expected));
        assertEquals(5, experts(0).withShared(shared).parameters().size());
    }

    /** Which expert each of 14 tokens picks first and second, by decreasing logit. */
    private int[][] picks(Tensor x_ND) {
        float[] logits = Functional.linear(x_ND, router.value(), null).toFloats();
        int[][] picks = new int[14][TOP_K];
        for (int n = 0; n < 14; n++) {
            int at = n * EXPERTS;
            Integer[] order = {0, 1, 2, 3};
            Arrays.sort(order, Comparator.comparingDouble(e -> -logits[at + e]));
            picks[n][0] = order[0];
            picks[n][1] = order[1];
        }
        return picks;
    }

    @Test
    void fullExpertsDropPicksAndCountThem() {
        Tensor x = input().view(14, WIDTH);
        int[][] picks = picks(x);
        // Half of 14 · 2 / 4 picks, rounded up: 4 an expert.
        int[] taken = new int[EXPERTS];
        boolean[][] kept = new boolean[14][TOP_K];
        int dropped = 0;
        for (int k = 0; k < TOP_K; k++) {
            for (int n = 0; n < 14; n++) {
                kept[n][k] = taken[picks[n][k]] < 4;
                taken[picks[n][k]] += kept[n][k] ? 1 : 0;
                dropped += kept[n][k] ? 0 : 1;
            }
        }
        assertTrue(dropped >= 12, "28 picks for 16 places");
        float[] p = Functional.softmax(Functional.linear(x, router.value(), null), -1)
                .toFloats();
        Tensor expected = Tensor.zeros(DType.FP32, 14, WIDTH);
        int without = 0;
        for (int n = 0; n < 14; n++) {
            double sum = p[n * EXPERTS + picks[n][0]] + p[n * EXPERTS + picks[n][1]];
            for (int k = 0; k < TOP_K; k++) {
                int e = picks[n][k];
                if (kept[n][k]) {
                    Tensor both =
                            Functional.linear(x.narrow(0, n, 1), gateUp.value().select(0, e), null);
                    Tensor hidden = Functional.silu(both.narrow(1, 0, INNER)).mul(both.narrow(1, INNER, INNER));
                    Tensor y = Functional.linear(hidden, down.value().select(0, e), null);
                    expected.narrow(0, n, 1).add_(y, p[n * EXPERTS + e] / sum);
                }
            }
            without += kept[n][0] || kept[n][1] ? 0 : 1;
        }
        assertTrue(without > 0, "some token has no expert, and goes on by the residual stream alone");
        Map<String, Double> reports = new HashMap<>();
        MixtureOfExperts limited = experts(0).withCapacity(0.5);
        Tensor y = limited.forward(input(), new Flow(), Pass.training(1).withReports(reports));
        Gradients.assertClose(expected.toFloats(), y.toFloats(), Gradients.FP32, "with dropped picks");
        assertEquals(dropped / 28.0, reports.get("router_dropped.0"), 1e-12);
        Tensor free = experts(0).forward(input(), new Flow(), Pass.evaluation());
        assertTrue(free.equal(limited.forward(input(), new Flow(), Pass.evaluation())), "no limit in evaluation");
        assertThrows(IllegalArgumentException.class, () -> experts(0).withCapacity(0));
    }

    @Test
    void reportsTellTheLoad() {
        Tensor x = input().view(14, WIDTH);
        Map<String, Double> reports = new HashMap<>();
        experts(0).forward(input(), new Flow(), Pass.training(1).withReports(reports));
        int[] counts = new int[EXPERTS];
        for (int[] pick : picks(x)) {
            counts[pick[0]]++;
            counts[pick[1]]++;
        }
        for (int e = 0; e < EXPERTS; e++) {
            assertEquals(counts[e] / 28.0, reports.get("router_share.0." + e), 1e-12);
        }
        float[] logits = Functional.linear(x, router.value(), null).toFloats();
        double entropy = 0;
        double z = 0;
        for (int n = 0; n < 14; n++) {
            double sum = 0;
            for (int e = 0; e < EXPERTS; e++) {
                sum += Math.exp(logits[n * EXPERTS + e]);
            }
            for (int e = 0; e < EXPERTS; e++) {
                double q = Math.exp(logits[n * EXPERTS + e]) / sum;
                entropy -= q * Math.log(q) / 14;
            }
            z += Math.log(sum) * Math.log(sum) / 14;
        }
        assertEquals(entropy, reports.get("router_entropy.0"), 1e-6);
        assertEquals(z, reports.get("router_z.0"), 1e-5);
        assertEquals(0, reports.get("router_dropped.0"));
    }

    @Test
    void lossesOfEachLayerEqualTheirFormulas() {
        int tokens = 5;
        float[][] logits = {
            Tensor.randn(new RandomStream(3), tokens * EXPERTS).toFloats(),
            Tensor.randn(new RandomStream(4), tokens * EXPERTS).toFloats()
        };
        double expected = 0;
        for (float[] layer : logits) {
            double[] f = new double[EXPERTS];
            double[] mean = new double[EXPERTS];
            double z = 0;
            for (int n = 0; n < tokens; n++) {
                double sum = 0;
                int best = 0;
                for (int e = 0; e < EXPERTS; e++) {
                    sum += Math.exp(layer[n * EXPERTS + e]);
                    best = layer[n * EXPERTS + e] > layer[n * EXPERTS + best] ? e : best;
                }
                f[best] += 1.0 / tokens;
                for (int e = 0; e < EXPERTS; e++) {
                    mean[e] += Math.exp(layer[n * EXPERTS + e]) / sum / tokens;
                }
                z += Math.pow(Math.log(sum), 2) / tokens;
            }
            for (int e = 0; e < EXPERTS; e++) {
                expected += 0.01 * EXPERTS * f[e] * mean[e];
            }
            expected += 0.001 * z;
        }
        Flow flow = new Flow()
                .put("router_logits.0", Tensor.of(logits[0], 1, tokens, EXPERTS))
                .put("router_logits.2", Tensor.of(logits[1], 1, tokens, EXPERTS))
                .put("loss", Tensor.of(new float[] {2}, 1))
                .put("weights", Tensor.of(new float[] {0.25f, 0.25f, 0, 0, 0}, 1, tokens));
        RouterLoss.ofEach("router_loss", List.of("0", "2"), 1, 0.01, 0.001).forward(flow, Pass.evaluation());
        assertEquals(2 + 0.5 * expected, flow.get("loss").item(), 1e-6);
    }

    @Test
    void segmentWiseGradientsAreThoseOfTheWholeGraph() {
        MixtureOfExperts experts = experts(0).withCapacity(0.75).withRouterJitter(0.1);
        Parameter norm = new Parameter("norm.weight", Tensor.full(1, DType.FP32, Device.CPU, WIDTH));
        Parameter tokens = ToyModel.parameter(11, "embed", 0.5, ToyModel.VOCABULARY, WIDTH);
        Parameter head = ToyModel.parameter(12, "head", 0.5, ToyModel.VOCABULARY, WIDTH);
        try (Network network = new Network(List.of(
                new TokenEmbedding("embed", tokens, null, 0),
                new TransformerBlock("block", Residual.preNorm(new Norm.RmsNorm(norm, 1e-5), experts)),
                new LanguageModelHead("lm_head", new Linear("lm_head", new DenseLinear(head, null))),
                RouterLoss.ofEach("router_loss", List.of("0"), TOP_K, 0.1, 0.01)))) {
            Flow batch = ToyModel.batch(5, 2, 7);
            var whole = Gradients.whole(network, batch, Pass.training(3), Gradients.seedLoss());
            var byTape = Gradients.segmentWise(network, batch, Pass.training(3), Gradients.seedLoss());
            Gradients.assertClose(whole, byTape, Gradients.FP32);
            Gradients.assertAlive(byTape, network);
            network.addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
            Gradients.assertSameBits(
                    byTape, Gradients.segmentWise(network, batch, Pass.training(3), Gradients.seedLoss()));
        }
    }
}
