package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Streams are pure functions of their seeds. */
class RandomStreamTest {
    @Test
    void oneSeedOneStreamWhateverElseRuns() {
        try (Scope scope = Scope.open()) {
            Tensor a = Tensor.randn(new RandomStream(5), 100);
            RandomStream first = new RandomStream(5);
            RandomStream other = new RandomStream(6);
            Tensor head = Tensor.randn(first, 64);
            Tensor different = Tensor.randn(other, 100);
            assertTrue(head.equal(Tensor.randn(new RandomStream(5), 64)));
            assertTrue(a.equal(Tensor.randn(new RandomStream(5), 100)));
            assertFalse(a.equal(different));
            assertFalse(Tensor.randn(first, 64).equal(head), "a stream goes on");
        }
    }

    @Test
    void everyDrawIsReproducible() {
        try (Scope scope = Scope.open()) {
            for (long seed : new long[] {0, -1, Long.MIN_VALUE, 1234567890123456789L}) {
                Tensor weights = Tensor.of(new float[] {1, 2, 3, 4}, 4);
                Tensor[][] twice = new Tensor[2][];
                for (int i = 0; i < 2; i++) {
                    RandomStream r = new RandomStream(seed);
                    twice[i] = new Tensor[] {
                        Tensor.zeros(DType.FP32, 50).normal_(1, 2, r),
                        Tensor.zeros(DType.BF16, 50).normal_(0, 1, r),
                        Tensor.zeros(DType.FP32, 50).uniform_(-1, 1, r),
                        Tensor.zeros(DType.FP32, 50).bernoulli_(0.3, r),
                        weights.multinomial(2, r),
                        Functional.dropout(Tensor.full(1, DType.FP32, Device.CPU, 50), 0.5, r)
                    };
                }
                for (int k = 0; k < twice[0].length; k++) {
                    assertTrue(twice[0][k].equal(twice[1][k]), "draw " + k + " of seed " + seed);
                }
            }
        }
    }

    @Test
    void dropoutKeepsTheMeanAndTheEdges() {
        try (Scope scope = Scope.open()) {
            int n = 20000;
            Tensor ones = Tensor.full(1, DType.FP32, Device.CPU, n).requiresGrad_(true);
            Tensor y = Functional.dropout(ones, 0.25, new RandomStream(3));
            // The deviation of the mean is sqrt(p / (1 - p) / n) = 0.004; four of them.
            assertEquals(1, y.mean().item(), 0.016);
            Set<Float> values = new HashSet<>();
            for (float v : y.toFloats()) {
                values.add(v);
            }
            assertEquals(Set.of(0f, (float) (1 / 0.75)), values);
            Autograd.backward(List.of(y.sum()), List.of(Tensor.full(1, DType.FP32, Device.CPU)));
            assertArrayEquals(y.toFloats(), ones.grad().toFloats(), "the gradient has the same mask");
            assertTrue(Functional.dropout(ones, 0, new RandomStream(3)) == ones);
            assertEquals(
                    0,
                    Functional.dropout(ones, 1, new RandomStream(3)).abs().max().item());
            assertThrows(IllegalArgumentException.class, () -> Functional.dropout(ones, 1.5, new RandomStream(3)));
        }
    }
}
