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
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Tensor;

/** Latent attention against the uncompressed attention that it stands for, with and without a cache. */
class LatentAttentionTest extends ScopedTest {
    private static final int WIDTH = 12;
    private static final int HEADS = 3;
    private static final int PLAIN = 4;
    private static final int TURNED = 2;
    private static final int VALUE = 5;
    private static final int LATENT = 7;
    private static final LatentAttention.Shape SHAPE =
            new LatentAttention.Shape(HEADS, PLAIN, TURNED, VALUE, LATENT, 1 / Math.sqrt(PLAIN + TURNED), 0);

    /** A latent's products in another order, over two layers. */
    private static final double ABSORBED = 3e-6;

    private static Linear linear(String name, long in, long out) {
        return new Linear(
                name,
                new DenseLinear(
                        ToyModel.parameter(name.hashCode(), name + ".weight", 1.5 / Math.sqrt(in), out, in), null));
    }

    private static Norm norm(String name, long width) {
        return new Norm.RmsNorm(new Parameter(name, Tensor.full(1.5, DType.FP32, Device.CPU, width)), 1e-5);
    }

    private static LatentAttention attention(int layer, boolean compressedQueries) {
        String name = "layers." + layer;
        long out = (long) HEADS * SHAPE.width();
        return new LatentAttention(
                name,
                layer,
                SHAPE,
                compressedQueries
                        ? new LatentAttention.Queries.Compressed(
                                linear(name + ".q_a", WIDTH, 6),
                                norm(name + ".q_norm", 6),
                                linear(name + ".q_b", 6, out))
                        : new LatentAttention.Queries.Direct(linear(name + ".q", WIDTH, out)),
                new LatentAttention.KeysValues(
                        linear(name + ".kv_a", WIDTH, LATENT + TURNED),
                        norm(name + ".kv_norm", LATENT),
                        linear(name + ".kv_b", LATENT, (long) HEADS * (PLAIN + VALUE))),
                linear(name + ".o", (long) HEADS * VALUE, WIDTH),
                Rotary.Pairing.HALVES);
    }

    private static Network network(boolean compressedQueries) {
        List<Segment> visits = new ArrayList<>();
        visits.add(new Positions("positions", DType.FP32, length -> ToyModel.inverseFrequencies(TURNED / 2)));
        visits.add(
                new TokenEmbedding("embed", ToyModel.parameter(1, "embed", 0.7, ToyModel.VOCABULARY, WIDTH), null, 0));
        for (int layer = 0; layer < 2; layer++) {
            String name = "layers." + layer;
            visits.add(new TransformerBlock(
                    name, Residual.preNorm(norm(name + ".norm", WIDTH), attention(layer, compressedQueries))));
        }
        visits.add(new LanguageModelHead("lm_head", linear("lm_head", WIDTH, ToyModel.VOCABULARY)));
        return new Network(visits);
    }

    /** Each head's queries, keys and values written out, rotary key copied to each head, and attended to plainly. */
    private static Tensor oracle(Tensor x, LatentAttention attention, Flow flow) {
        List<Tensor> w = attention.linears().stream()
                .map(slot -> ((DenseLinear) slot.form()).weight().value())
                .toList();
        boolean compressed = w.size() == 5;
        Tensor q = Functional.linear(x, w.get(0), null);
        if (compressed) {
            q = Functional.linear(norm("a", 6).forward(q, Pass.evaluation()), w.get(1), null);
        }
        Tensor down = Functional.linear(x, w.get(w.size() - 3), null);
        Tensor latent = norm("b", LATENT).forward(down.narrow(-1, 0, LATENT), Pass.evaluation());
        Tensor up = w.get(w.size() - 2);
        Tensor cos = flow.get("rotary_cos");
        Tensor sin = flow.get("rotary_sin");
        List<Tensor> heads = new ArrayList<>();
        for (int h = 0; h < HEADS; h++) {
            Tensor qh = q.narrow(-1, (long) h * SHAPE.width(), SHAPE.width()).unsqueeze(1);
            Tensor queries = Tensor.cat(
                    List.of(qh.narrow(-1, 0, PLAIN), Rotary.rotate(qh.narrow(-1, PLAIN, TURNED), cos, sin)), -1);
            Tensor key = Functional.linear(latent, up.narrow(0, (long) h * (PLAIN + VALUE), PLAIN), null);
            Tensor value = Functional.linear(latent, up.narrow(0, (long) h * (PLAIN + VALUE) + PLAIN, VALUE), null);
            Tensor turned = Rotary.rotate(down.narrow(-1, LATENT, TURNED).unsqueeze(1), cos, sin);
            Tensor keys = Tensor.cat(List.of(key.unsqueeze(1), turned), -1);
            Tensor scores =
                    queries.matmul(keys.transpose(-2, -1)).mul(SHAPE.scale()).add(flow.get("mask"));
            heads.add(Functional.softmax(scores, -1).matmul(value.unsqueeze(1)).squeeze(1));
        }
        return Functional.linear(Tensor.cat(heads, -1), w.getLast(), null);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void equalsUncompressedAttention(boolean compressedQueries) {
        Tensor x = Tensor.randn(new RandomStream(4), 2, 9, WIDTH);
        Flow flow = new Flow().put("input_ids", Tensor.of(ToyModel.ids(1, 18), 2, 9));
        new Positions("positions", DType.FP32, length -> ToyModel.inverseFrequencies(TURNED / 2))
                .forward(flow, Pass.evaluation());
        LatentAttention attention = attention(0, compressedQueries);
        Gradients.assertClose(
                oracle(x, attention, flow).toFloats(),
                attention.forward(x, flow, Pass.evaluation()).toFloats(),
                Gradients.FP32,
                "latent attention");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aCacheOfLatentsChangesNothing(boolean compressedQueries) {
        int length = 20;
        try (Network network = network(compressedQueries);
                KeyValueCache cache = new KeyValueCache()) {
            Tensor ids = Tensor.of(ToyModel.ids(3, 2 * length), 2, length);
            Tensor whole = network.infer(new Flow().put("input_ids", ids), Pass.evaluation())
                    .get("logits");
            List<Tensor> steps = new ArrayList<>();
            // A prompt, single tokens, and a few at once, which take the other form.
            for (int t : new int[] {7, 1, 1, 1, 4, 1, 1, 1, 1, 1, 1}) {
                Flow flow = new Flow().put("input_ids", ids.narrow(1, cache.length(), t));
                steps.add(
                        network.infer(flow, Pass.evaluation().withCache(cache)).get("logits"));
            }
            Gradients.assertClose(whole.toFloats(), Tensor.cat(steps, 1).toFloats(), ABSORBED, "cached");
            // Two layers, two rows, fp32: the latent and the rotary key alone.
            assertEquals(2L * 2 * 4 * length * (LATENT + TURNED), cache.bytes());
        }
    }

    @Test
    void paddedRowsGetWhatTheyWouldGetAlone() {
        int length = 12;
        try (Network network = network(false);
                KeyValueCache cache = new KeyValueCache()) {
            Tensor ids = Tensor.of(ToyModel.ids(3, 2 * length), 2, length);
            Tensor alone = network.infer(
                            new Flow().put("input_ids", ids.narrow(0, 1, 1).narrow(1, 3, length - 3)),
                            Pass.evaluation())
                    .get("logits");
            long[] mask = new long[2 * length];
            Arrays.fill(mask, 1);
            Arrays.fill(mask, length, length + 3, 0);
            Tensor padding = Tensor.of(mask, 2, length);
            List<Tensor> steps = new ArrayList<>();
            for (int at = 0; at < length; at += at == 0 ? 6 : 1) {
                int t = at == 0 ? 6 : 1;
                Flow flow = new Flow()
                        .put("input_ids", ids.narrow(1, at, t))
                        .put("attention_mask", padding.narrow(1, 0, at + t));
                steps.add(
                        network.infer(flow, Pass.evaluation().withCache(cache)).get("logits"));
            }
            Gradients.assertClose(
                    alone.toFloats(),
                    Tensor.cat(steps, 1)
                            .narrow(0, 1, 1)
                            .narrow(1, 3, length - 3)
                            .toFloats(),
                    ABSORBED,
                    "the padded row");
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void segmentWiseGradientsAreThoseOfTheWholeGraph(boolean compressedQueries) {
        try (Network network = network(compressedQueries)) {
            Flow batch = ToyModel.batch(5, 2, 9);
            var whole = Gradients.whole(network, batch, Pass.training(3), Gradients.seedLoss());
            var byTape = Gradients.segmentWise(network, batch, Pass.training(3), Gradients.seedLoss());
            Gradients.assertClose(whole, byTape, Gradients.FP32);
            Gradients.assertAlive(byTape, network);
        }
    }
}
