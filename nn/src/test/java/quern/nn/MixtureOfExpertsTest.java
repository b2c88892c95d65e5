package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import quern.tensor.DType;
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
                0,
                new Linear("gate", new DenseLinear(router, null)),
                gateUp,
                down,
                Activation.SILU,
                TOP_K,
                jitter);
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
        new RouterLoss("router_loss", 1, 1, 0.5).forward(flow, Pass.evaluation());
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
        new RouterLoss("router_loss", 1, 1, 0.5).forward(flow, Pass.evaluation());
        assertFalse(flow.has("loss"));
    }
}
