package quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The buckets of T5's distances, against values of its published function. */
class RelativePositionBiasTest {
    private static int[] buckets(RelativePositionBias bias, int count, int... distances) {
        return IntStream.of(distances).map(d -> bias.bucket(d, count)).toArray();
    }

    @Test
    void bucketsAreThoseOfThePaper() {
        try (Scope scope = Scope.open();
                Parameter table = new Parameter("t", Tensor.zeros(DType.FP32, 32, 1))) {
            RelativePositionBias encoder = RelativePositionBias.encoder("e", table, 128);
            assertArrayEquals(
                    new int[] {0, 1, 7, 8, 8, 9, 10, 15, 15, 17, 23, 24, 26, 31},
                    buckets(encoder, 32, 0, -1, -7, -8, -11, -12, -16, -127, -500, 1, 7, 8, 16, 500));
            RelativePositionBias decoder = RelativePositionBias.decoder("d", table, 128);
            assertArrayEquals(
                    new int[] {0, 0, 1, 15, 16, 16, 17, 21, 26, 31, 31},
                    buckets(decoder, 32, 0, 5, -1, -15, -16, -18, -19, -32, -64, -128, -1000));
        }
    }

    /** A step with a cache gives the last row of what the whole gives. */
    @Test
    void aStepsBiasesAreTheLastRow() {
        try (Scope scope = Scope.open();
                Parameter table = new Parameter(
                        "t", Tensor.arange(16, DType.FP32, Device.CPU).view(8, 2));
                KeyValueCache cache = new KeyValueCache()) {
            RelativePositionBias bias = RelativePositionBias.decoder("d", table, 6);
            Flow whole = new Flow().put(DecoderPositions.INPUT, Tensor.zeros(DType.INT64, 1, 9));
            bias.forward(whole, Pass.evaluation());
            Tensor past = Tensor.zeros(DType.FP32, 1, 2, 8, 4);
            cache.append(0, past, past);
            Flow step = new Flow().put(DecoderPositions.INPUT, Tensor.zeros(DType.INT64, 1, 1));
            bias.forward(step, Pass.evaluation().withCache(cache));
            assertArrayEquals(
                    whole.get(RelativePositionBias.OUTPUT).narrow(2, 8, 1).toFloats(),
                    step.get(RelativePositionBias.OUTPUT).toFloats());
            assertEquals(9, step.get(RelativePositionBias.OUTPUT).size(3));
        }
    }
}
