package quern.nn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** Micro-batches add up to one batch. */
class AccumulationTest extends ScopedTest {
    /** Rows of uneven lengths, weighted by one over all tokens, padded to {@code width} at the right. */
    private static Flow rows(int[] lengths, int from, int to, int width, int tokens) {
        int rows = to - from;
        long[] ids = new long[rows * width];
        long[] targets = new long[rows * width];
        float[] weights = new float[rows * width];
        Arrays.fill(targets, -100);
        for (int r = from; r < to; r++) {
            long[] row = ToyModel.ids(100 + r, lengths[r] + 1);
            for (int i = 0; i < lengths[r]; i++) {
                int at = (r - from) * width + i;
                ids[at] = row[i];
                targets[at] = row[i + 1];
                weights[at] = 1f / tokens;
            }
        }
        return new Flow()
                .put("input_ids", Tensor.of(ids, rows, width))
                .put("targets", Tensor.of(targets, rows, width))
                .put("weights", Tensor.of(weights, rows, width));
    }

    private static void assertAccumulates(ToyModel.Shape shape, int[] lengths) {
        int tokens = Arrays.stream(lengths).sum();
        int longest = Arrays.stream(lengths).max().orElseThrow();
        try (Network network = ToyModel.decoder(shape, 1)) {
            var one = Gradients.segmentWise(
                    network, rows(lengths, 0, lengths.length, longest, tokens), Pass.training(0), Gradients.seedLoss());
            for (int r = 0; r < lengths.length; r++) {
                try (Tape tape = network.forward(rows(lengths, r, r + 1, lengths[r], tokens), Pass.training(0))) {
                    tape.backward(Gradients.seedLoss());
                }
            }
            Gradients.assertAlive(one, network);
            Gradients.assertClose(one, Gradients.take(network), Gradients.FP32);
        }
    }

    @Test
    void eightMicroBatchesOfOneEqualOneOfEight() {
        assertAccumulates(ToyModel.Shape.PLAIN, new int[] {9, 9, 9, 9, 9, 9, 9, 9});
    }

    @Test
    void unevenLengths() {
        assertAccumulates(ToyModel.Shape.PLAIN.withTiedEnds(), new int[] {3, 12, 7, 1, 9, 30, 2, 5});
        assertAccumulates(ToyModel.Shape.PLAIN.withLearnedPositions().visited(2), new int[] {3, 12, 7, 1, 9, 30, 2, 5});
    }

    /** 1 + 64/512 in steps of 1/512: every step is below half a unit of a bf16 sum of 1, and exact in fp32. */
    @Test
    void bf16WeightsAccumulateInFp32() {
        for (boolean halves : new boolean[] {false, true}) {
            Parameter p = new Parameter("p", Tensor.full(1, DType.BF16, Device.CPU, 4));
            Segment s = new ToySegment(
                    "s",
                    List.of("x"),
                    List.of("y"),
                    List.of(p),
                    (flow, pass) -> flow.put("y", flow.get("x").mul(pass.value(p))));
            try (Network network = new Network(List.of(s))) {
                Flow in = new Flow().put("x", Tensor.full(1, DType.BF16, Device.CPU, 4));
                p.accumulateInFp32();
                assertEquals(DType.FP32, p.grad().dtype());
                for (int i = 0; i <= 64; i++) {
                    Map<String, Tensor> seed =
                            Map.of("y", Tensor.full(i == 0 ? 1 : 1.0 / 512, DType.BF16, Device.CPU, 4));
                    try (Tape tape = network.forward(in, Pass.training(0))) {
                        if (halves) {
                            tape.backwardInput(seed);
                            tape.backwardWeight();
                        } else {
                            tape.backward(seed);
                        }
                    }
                }
                assertEquals(DType.FP32, p.grad().dtype());
                for (float g : p.grad().toFloats()) {
                    assertEquals(1.125f, g);
                }
                p.accumulateInFp32();
                assertEquals(0, p.grad().abs().max().item(), "a second call starts over");
            }
        }
    }

    /** In bf16 alone the same sum would stay at 1. */
    @Test
    void bf16GradientsLoseSmallSums() {
        Parameter p = new Parameter("p", Tensor.full(1, DType.BF16, Device.CPU, 1));
        p.addGrad(Tensor.full(1, DType.BF16, Device.CPU, 1));
        for (int i = 0; i < 64; i++) {
            p.addGrad(Tensor.full(1.0 / 512, DType.BF16, Device.CPU, 1));
        }
        assertEquals(DType.BF16, p.grad().dtype());
        assertEquals(1, p.grad().item());
        p.close();
    }

    @Test
    void bf16ModelAccumulatesInFp32Everywhere() {
        int[] lengths = {5, 9, 3, 7};
        int tokens = Arrays.stream(lengths).sum();
        try (Network network =
                ToyModel.decoder(ToyModel.Shape.PLAIN.withTiedEnds().in(DType.BF16), 1)) {
            network.parameters().forEach(Parameter::accumulateInFp32);
            for (int r = 0; r < lengths.length; r++) {
                try (Tape tape = network.forward(rows(lengths, r, r + 1, lengths[r], tokens), Pass.training(0))) {
                    tape.backward(Gradients.seedLoss());
                }
            }
            for (Parameter p : network.parameters()) {
                assertEquals(DType.FP32, p.grad().dtype(), p.name());
                assertTrue(p.grad().abs().max().item() > 0, p.name());
            }
        }
    }
}
