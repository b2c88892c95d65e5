package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Recomputing segments changes no bit of loss and gradients. */
class GradientCheckpointingTest extends ScopedTest {
    /** Dropout of embeddings, attention patterns and both residual branches. */
    private static final double DROPOUT = 0.25;

    private record Result(float[] loss, Map<String, float[]> gradients) {}

    private static Result run(Network network, boolean halves) {
        float[] loss;
        try (Tape tape = network.forward(ToyModel.batch(2, 3, 9), Pass.training(11))) {
            loss = tape.get("loss").toFloats();
            if (halves) {
                tape.backwardInput(Gradients.seedLoss());
                tape.backwardWeight();
            } else {
                tape.backward(Gradients.seedLoss());
            }
        }
        return new Result(loss, Gradients.take(network));
    }

    private static void assertNoBitChanges(ToyModel.Shape shape, Predicate<Segment> chosen) {
        try (Network network = ToyModel.decoder(shape, 1)) {
            for (boolean halves : new boolean[] {false, true}) {
                Result plain = run(network, halves);
                Gradients.assertAlive(plain.gradients(), network);
                SegmentHook hook = new GradientCheckpointing(chosen);
                network.addHook(hook);
                Result recomputed = run(network, halves);
                network.removeHook(hook);
                Gradients.assertSameBits(plain.loss(), recomputed.loss(), "loss");
                Gradients.assertSameBits(plain.gradients(), recomputed.gradients());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"layers", "embed", "lm_head", "norm", "positions", ""})
    void noBitChangesWithDropoutOn(String prefix) {
        assertNoBitChanges(
                ToyModel.Shape.PLAIN.withDropout(DROPOUT), s -> s.name().startsWith(prefix));
    }

    @Test
    void noBitChangesForBlocksVisitedThreeTimes() {
        assertNoBitChanges(
                ToyModel.Shape.PLAIN.withDropout(DROPOUT).visited(3).withTiedEnds(),
                s -> s.name().startsWith("layers"));
    }

    @Test
    void noBitChangesInBf16WithLearnedPositions() {
        assertNoBitChanges(
                ToyModel.Shape.PLAIN.withDropout(DROPOUT).withLearnedPositions().in(DType.BF16), s -> true);
    }

    @Test
    void visitsOfOneBlockDrawDifferentMasks() {
        Parameter p = ToyModel.parameter(1, "p", 1, 64);
        Segment s = new ToySegment("s", List.of("x"), List.of("x"), List.of(p), (flow, pass) -> {
            Tensor x = flow.get("x");
            flow.put("x", SelfAttention.drop(x.mul(pass.value(p)), 0.5, "dropout", "s", pass));
        });
        try (Network network = new Network(List.of(s, s))) {
            Flow in = new Flow().put("x", Tensor.of(new float[64], 64).add(1));
            float[] twice = network.infer(in, Pass.training(3)).get("x").toFloats();
            int alive = 0;
            for (float x : twice) {
                alive += x == 0 ? 0 : 1;
            }
            // One mask used twice would leave half alive; two leave a quarter, 16 ± 3.5.
            assertTrue(alive > 4 && alive < 27, alive + " of 64 alive");
        }
    }

    /** A recomputed segment may write a name that no parameter leads to, and a loss may still read it. */
    @Test
    void constantsBesideTheStream() {
        Parameter p = ToyModel.parameter(1, "p", 1, 3);
        Segment s = new ToySegment("s", List.of("x"), List.of("x", "constant"), List.of(p), (flow, pass) -> {
            flow.put("constant", flow.get("x").detach().mul(2));
            flow.put("x", flow.get("x").mul(pass.value(p)));
        });
        Segment reader = new ToySegment(
                "reader",
                List.of("constant"),
                List.of("y"),
                List.of(),
                (flow, pass) -> flow.put("y", flow.get("constant").square()));
        try (Network network = new Network(List.of(s, reader))) {
            network.addHook(new GradientCheckpointing(any -> any == s));
            Tensor seed = Tensor.of(new float[] {1, 1, 1}, 3);
            for (boolean halves : new boolean[] {false, true}) {
                try (Tape tape =
                        network.forward(new Flow().put("x", Tensor.of(new float[] {1, 2, 3}, 3)), Pass.training(0))) {
                    if (halves) {
                        tape.backwardInput(Map.of("y", seed));
                        tape.backwardWeight();
                    } else {
                        tape.backward(Map.of("y", seed));
                    }
                }
                assertEquals(false, p.grad().isDefined(), "nothing that p made was read");
            }
        }
    }
}
