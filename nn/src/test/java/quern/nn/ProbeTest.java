package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.tensor.Tensor;

/** Probes that read and probes that replace inner tensors. */
class ProbeTest extends ScopedTest {
    private static final String PATTERN = "layers.0/attention_pattern";

    @Test
    void readingChangesNothingAndSeesTheCausalPattern() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            Flow batch = ToyModel.batch(2, 2, 7);
            var plain = Gradients.segmentWise(network, batch, Pass.training(0), Gradients.seedLoss());
            List<Tensor> seen = new ArrayList<>();
            Pass probed = Pass.training(0).probe(PATTERN, x -> {
                seen.add(x.detach().keep());
                return x;
            });
            var read = Gradients.segmentWise(network, batch, probed, Gradients.seedLoss());
            Gradients.assertSameBits(plain, read);
            assertEquals(1, seen.size());
            try (Tensor pattern = seen.get(0)) {
                assertArrayEquals(new long[] {2, ToyModel.HEADS, 7, 7}, pattern.shape());
                assertEquals(0, pattern.triu(1).abs().max().item(), "no query sees a later key");
                Tensor rows = pattern.sum(false, -1);
                // A softmax over 7 keys in fp32.
                assertTrue(rows.sub(1).abs().max().item() < 1e-6);
            }
        }
    }

    /** The replacement halves every weight on the first key; gradients flow through it to queries and keys. */
    @Test
    void replacingChangesTheResultAndItsGradients() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            Flow batch = ToyModel.batch(2, 2, 7);
            float[] scale = {0.5f, 1, 1, 1, 1, 1, 1};
            Tensor factor = Tensor.of(scale, 7);
            var whole = Gradients.whole(
                    network, batch, Pass.training(0).probe(PATTERN, x -> x.mul(factor)), Gradients.seedLoss());
            var tape = Gradients.segmentWise(
                    network, batch, Pass.training(0).probe(PATTERN, x -> x.mul(factor)), Gradients.seedLoss());
            var plain = Gradients.segmentWise(network, batch, Pass.training(0), Gradients.seedLoss());
            Gradients.assertAlive(whole, network);
            Gradients.assertClose(whole, tape, Gradients.FP32);
            String q = "layers.0.q_proj.weight";
            double moved = 0;
            for (int i = 0; i < plain.get(q).length; i++) {
                moved = Math.max(moved, Math.abs(plain.get(q)[i] - tape.get(q)[i]));
            }
            assertTrue(moved > 1e-4, "the replacement reaches the queries' gradient: " + moved);
        }
    }

    /** With the pattern replaced by a constant, queries and keys no longer matter, and values still do. */
    @Test
    void replacingByAConstantCutsTheGradientOfQueriesAndKeys() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            Flow batch = ToyModel.batch(2, 2, 7);
            Pass pass = Pass.training(0).probe(PATTERN, x -> x.detach().zero_().add(1.0 / 7));
            var g = Gradients.segmentWise(network, batch, pass, Gradients.seedLoss());
            assertEquals(false, g.containsKey("layers.0.q_proj.weight"));
            assertEquals(false, g.containsKey("layers.0.k_proj.weight"));
            assertEquals(true, g.containsKey("layers.0.v_proj.weight"));
            assertEquals(true, g.containsKey("layers.1.q_proj.weight"));
        }
    }

    @Test
    void probesOfOnePointRunInOrder() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            Flow batch = ToyModel.batch(2, 2, 7);
            List<String> order = new ArrayList<>();
            Pass pass = Pass.evaluation()
                    .probe("layers.1/output", x -> {
                        order.add("first");
                        return x.mul(0);
                    })
                    .probe("layers.1/output", x -> {
                        order.add("second " + x.abs().max().item());
                        return x;
                    });
            network.infer(batch, pass);
            assertEquals(List.of("first", "second 0.0"), order);
        }
    }

    @Test
    void aProbedHeadTakesThePlainFormAndGivesItsLogits() {
        try (Network network = ToyModel.decoder(ToyModel.Shape.PLAIN, 1)) {
            Flow batch = ToyModel.batch(2, 2, 7);
            List<long[]> shapes = new ArrayList<>();
            Pass pass = Pass.training(0).probe("lm_head/logits", x -> {
                shapes.add(x.shape());
                return x;
            });
            var probed = Gradients.segmentWise(network, batch, pass, Gradients.seedLoss());
            assertArrayEquals(new long[] {2, 7, ToyModel.VOCABULARY}, shapes.get(0));
            Gradients.assertClose(
                    probed,
                    Gradients.segmentWise(network, batch, Pass.training(0), Map.copyOf(Gradients.seedLoss())),
                    Gradients.FP32);
        }
    }
}
