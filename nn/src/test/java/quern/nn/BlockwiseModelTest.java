package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Attention in blocks inside a model: its gradients, its halves, recomputation, dropout, documents, probes, generation. */
class BlockwiseModelTest extends ScopedTest {
    private static final long SEED = 3;
    private static final int LENGTH = 30;

    /** Blocks whose visit's graph is cut in different ways. */
    enum Kind {
        PRE_NORM,
        PARALLEL,
        SANDWICH,
        TWICE_A_BLOCK,
        VISITED_TWICE
    }

    private static Parameter parameter(String name, double std, long... shape) {
        return ToyModel.parameter(SEED, name, std, shape);
    }

    private static Linear linear(String name, long in, long out, boolean bias) {
        return new Linear(
                name,
                new DenseLinear(
                        parameter(name + ".weight", 1 / Math.sqrt(in), out, in),
                        bias ? parameter(name + ".bias", 0.1, out) : null));
    }

    private static Norm norm(String name) {
        return new Norm.RmsNorm(parameter(name + ".weight", 1, ToyModel.WIDTH), 1e-5);
    }

    private static SelfAttention attention(String block, String name, int layer, Mask mask, double dropout) {
        int width = ToyModel.WIDTH;
        int head = width / ToyModel.HEADS;
        SelfAttention attention = new SelfAttention(
                block,
                layer,
                new SelfAttention.Shape(ToyModel.HEADS, 2, head, 1 / Math.sqrt(head), dropout, true),
                List.of(
                        linear(name + ".q", width, width, true),
                        linear(name + ".k", width, 2L * head, false),
                        linear(name + ".v", width, 2L * head, true)),
                linear(name + ".o", width, width, true));
        return mask.reach().isPresent()
                ? attention.withSlidingWindow("mask", mask.reach().getAsInt() + 1)
                : attention;
    }

    private static TransformerBlock block(int layer, Kind kind, Mask mask, double dropout) {
        String name = "layers." + layer;
        SelfAttention first = attention(name, name + ".first", layer, mask, dropout);
        FeedForward inner = new FeedForward(
                name,
                null,
                linear(name + ".up", ToyModel.WIDTH, 24, true),
                linear(name + ".down", 24, ToyModel.WIDTH, true),
                Activation.SILU);
        Norm n = norm(name + ".n");
        Norm m = norm(name + ".m");
        return switch (kind) {
            case PRE_NORM, VISITED_TWICE ->
                new TransformerBlock(name, Residual.preNorm(n, first), Residual.preNorm(m, inner));
            case PARALLEL -> new TransformerBlock(name, Residual.parallel(n, first, inner));
            case SANDWICH -> new TransformerBlock(name, Residual.sandwich(n, first, m), Residual.bare(inner));
            case TWICE_A_BLOCK ->
                new TransformerBlock(
                        name,
                        Residual.preNorm(n, first),
                        Residual.postNorm(attention(name, name + ".second", layer + 2, mask, dropout), m),
                        Residual.bare(inner));
        };
    }

    private static Network network(Kind kind, Mask mask, double dropout) {
        List<Segment> visits = new ArrayList<>();
        visits.add(new Positions("positions", DType.FP32, length -> ToyModel.inverseFrequencies(2))
                .withMask("mask", mask));
        visits.add(new TokenEmbedding(
                "embed", parameter("embed.weight", 0.5, ToyModel.VOCABULARY, ToyModel.WIDTH), null, 0));
        for (int layer = 0; layer < 2; layer++) {
            TransformerBlock block = block(layer, kind, mask, dropout);
            visits.add(block);
            if (kind == Kind.VISITED_TWICE) {
                visits.add(block);
            }
        }
        visits.add(new FinalNorm("norm", norm("norm")));
        visits.add(new LanguageModelHead("head", linear("head", ToyModel.WIDTH, ToyModel.VOCABULARY, true)));
        return new Network(visits);
    }

    private static Flow inputs() {
        return ToyModel.batch(7, 2, LENGTH);
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void gradientsEqualThoseOfTheWholeGraph(Kind kind) {
        for (Mask mask : List.of(
                Mask.causal().with(Mask.Alibi.of(ToyModel.HEADS)),
                Mask.bidirectional(new SparsePattern.Globals(4, 2)).with(Mask.Alibi.of(ToyModel.HEADS)),
                Mask.causal(new SparsePattern.Strided(4)))) {
            try (Network network = network(kind, mask, 0)) {
                Map<String, float[]> whole = Gradients.whole(network, inputs(), Pass.training(1), Gradients.seedLoss());
                network.setAttention(AttentionImplementation.FLASH);
                Map<String, float[]> blocks =
                        Gradients.segmentWise(network, inputs(), Pass.training(1), Gradients.seedLoss());
                Gradients.assertClose(whole, blocks, 1e-5);
                Gradients.assertAlive(blocks, network);
                Gradients.assertClose(
                        whole, Gradients.inHalves(network, inputs(), Pass.training(1), Gradients.seedLoss()), 1e-5);
                network.addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
                Gradients.assertSameBits(
                        blocks, Gradients.segmentWise(network, inputs(), Pass.training(1), Gradients.seedLoss()));
            }
        }
    }

    @Test
    void aRecomputedBlockDropsTheSame() {
        try (Network network = network(Kind.PRE_NORM, Mask.causal(), 0.2)) {
            network.setAttention(AttentionImplementation.FLASH);
            Map<String, float[]> kept =
                    Gradients.segmentWise(network, inputs(), Pass.training(1), Gradients.seedLoss());
            network.addHook(new GradientCheckpointing(s -> s instanceof TransformerBlock));
            Gradients.assertSameBits(
                    kept, Gradients.segmentWise(network, inputs(), Pass.training(1), Gradients.seedLoss()));
        }
    }

    @Test
    void nothingStaysAliveBehindATape() {
        try (Network network = network(Kind.TWICE_A_BLOCK, Mask.causal(), 0)) {
            network.setAttention(AttentionImplementation.FLASH);
            long before = Tensor.keptHandles();
            try (Tape tape = network.forward(inputs(), Pass.training(1))) {
                tape.backward(Gradients.seedLoss());
            }
            try (Tape tape = network.forward(inputs(), Pass.training(1))) {
                assertTrue(Tensor.keptHandles() > before);
            }
            try (Tape tape = network.forward(inputs(), Pass.training(1))) {
                tape.backwardInput(Gradients.seedLoss());
            }
            assertEquals(before, Tensor.keptHandles());
        }
    }

    @Test
    void noMaskOfAllScoresIsMade() {
        try (Network network = network(Kind.PRE_NORM, Mask.causal(), 0)) {
            network.setAttention(AttentionImplementation.FLASH);
            try (Tape tape = network.forward(inputs(), Pass.training(1))) {
                assertEquals(0, tape.get("mask").numel());
            }
        }
    }

    @Test
    void documentsStayApart() {
        for (Mask mask :
                List.of(Mask.causal(), Mask.causal(new SparsePattern.Blocks(4, 1, 1)), Mask.slidingWindow(3))) {
            try (Network network = network(Kind.PRE_NORM, mask, 0)) {
                Flow documents =
                        ToyModel.batch(5, 1, LENGTH).put("cu_seqlens", Tensor.of(new long[] {0, 11, 12, 30}, 4));
                Map<String, float[]> whole =
                        Gradients.whole(network, documents, Pass.training(1), Gradients.seedLoss());
                network.setAttention(AttentionImplementation.FLASH);
                Gradients.assertClose(
                        whole, Gradients.segmentWise(network, documents, Pass.training(1), Gradients.seedLoss()), 1e-5);
            }
        }
    }

    /** A probe wants the pattern, which blocks do not have: the probed layer computes it at once. */
    @Test
    void aProbedLayerGivesItsPattern() {
        try (Network network = network(Kind.PRE_NORM, Mask.causal(), 0)) {
            network.setAttention(AttentionImplementation.FLASH);
            List<long[]> seen = new ArrayList<>();
            Pass pass = Pass.evaluation().probe("layers.1/attention_pattern", x -> {
                seen.add(x.shape());
                return x;
            });
            Tensor probed = network.infer(inputs(), pass).get("loss");
            Tensor plain = network.infer(inputs(), Pass.evaluation()).get("loss");
            assertEquals(1, seen.size());
            assertEquals(LENGTH, seen.get(0)[3]);
            assertEquals(plain.item(), probed.item(), 1e-5);
        }
    }

    /** A prompt in blocks and then token by token gives what one pass gives. */
    @Test
    void aCacheChangesNothing() {
        for (Mask mask : List.of(
                Mask.causal(),
                Mask.slidingWindow(5),
                Mask.causal(new SparsePattern.Strided(4)),
                Mask.causal(new SparsePattern.Blocks(4, 1, 1)),
                Mask.causal(new SparsePattern.Globals(3, 2)))) {
            try (Network network = network(Kind.PRE_NORM, mask, 0);
                    KeyValueCache cache = new KeyValueCache()) {
                Tensor ids = inputs().get("input_ids");
                // The second text begins with two hidden places.
                long[] real = new long[2 * LENGTH];
                java.util.Arrays.fill(real, 1);
                real[LENGTH] = 0;
                real[LENGTH + 1] = 0;
                Tensor padding = Tensor.of(real, 2, LENGTH);
                Tensor whole = network.infer(
                                new Flow().put("input_ids", ids).put("attention_mask", padding), Pass.evaluation())
                        .get("logits");
                network.setAttention(AttentionImplementation.FLASH);
                int prompt = 17;
                for (int at = 0; at < LENGTH; ) {
                    int count = at == 0 ? prompt : at == prompt ? 3 : 1;
                    Tensor part = network.infer(
                                    new Flow()
                                            .put("input_ids", ids.narrow(1, at, count))
                                            .put("attention_mask", padding.narrow(1, 0, at + count)),
                                    Pass.evaluation().withCache(cache))
                            .get("logits");
                    int from = at == 0 ? 2 : 0;
                    Gradients.assertClose(
                            whole.narrow(1, at + from, count - from)
                                    .contiguous()
                                    .toFloats(),
                            part.narrow(1, from, count - from).contiguous().toFloats(),
                            1e-5,
                            mask + " at " + at);
                    at += count;
                }
            }
        }
    }
}
