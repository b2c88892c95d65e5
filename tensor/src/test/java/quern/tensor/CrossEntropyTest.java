package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The loss's rows by the kernel, where there is one, against libtorch's operators. */
@Tag("each-path")
class CrossEntropyTest {
    /** Log-probabilities, of 1 or their size; both sides sum some thousand exponentials in fp32. */
    private static final double LOGPROB = 3e-6;
    /** Gradients, of the row's weight. */
    private static final double FP32 = 2e-6;
    /** A rounding to 8 bits on either side. */
    private static final double BF16 = 0x1p-7;

    private static Tensor targets(int n, int classes) {
        SplittableRandom random = new SplittableRandom(n);
        long[] targets = random.longs(n, 0, classes).toArray();
        return Tensor.of(targets, n);
    }

    private static void assertNear(Tensor expected, Tensor actual, double tolerance) {
        float[] theirs = expected.to(DType.FP32).toFloats();
        float[] ours = actual.to(DType.FP32).toFloats();
        assertEquals(theirs.length, ours.length);
        for (int i = 0; i < ours.length; i++) {
            assertEquals(theirs[i], ours[i], tolerance * Math.max(1, Math.abs(theirs[i])), "element " + i);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FP32, 0, 5", "FP32, 1, 1", "FP32, 3, 7", "FP32, 5, 17", "FP32, 70, 1000", "FP32, 2, 50257",
        "BF16, 0, 5", "BF16, 1, 1", "BF16, 3, 7", "BF16, 5, 17", "BF16, 70, 1000", "BF16, 2, 50257"
    })
    void rowsAreTheOperators(DType dtype, int n, int classes) {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(classes);
            Tensor logits = Tensor.randn(random, n, classes).mul(3).to(dtype);
            Tensor targets = targets(n, classes);
            Tensor weights = Tensor.randn(random, n);
            for (Tensor given : new Tensor[] {null, weights}) {
                Tensor expected = logits.copy();
                Tensor actual = logits.copy();
                Tensor expectedLogprobs = Tensor.zeros(DType.FP32, n);
                Tensor logprobs = Tensor.zeros(DType.FP32, n);
                CrossEntropy.plain(expected, targets, given, expectedLogprobs);
                CrossEntropy.rows(actual, targets, given, logprobs);
                assertNear(expectedLogprobs, logprobs, LOGPROB);
                assertNear(expected, actual, dtype == DType.FP32 ? FP32 : BF16);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FP32, 1, 1, 0.1, 0", "FP32, 3, 7, 0, 0.01", "FP32, 5, 1001, 0.2, 0.001", "FP32, 0, 9, 0.1, 0.1",
        "BF16, 1, 1, 0, 0.01", "BF16, 3, 7, 0.1, 0", "BF16, 5, 1001, 0.2, 0.001", "BF16, 2, 50257, 0.1, 0.0001"
    })
    void penalizedRowsAreTheOperators(DType dtype, int n, int classes, double smoothing, double zLoss) {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(classes);
            Tensor logits = Tensor.randn(random, n, classes).mul(3).to(dtype);
            Tensor targets = targets(n, classes);
            Tensor weights = Tensor.randn(random, n);
            for (Tensor plain : new Tensor[] {null, Tensor.randn(random, n)}) {
                Tensor expected = logits.copy();
                Tensor actual = logits.copy();
                CrossEntropy.Penalized theirs = penalized(smoothing, zLoss, weights, plain, n);
                CrossEntropy.Penalized ours = penalized(smoothing, zLoss, weights, plain, n);
                CrossEntropy.penalizedPlain(expected, targets, theirs);
                CrossEntropy.penalizedRows(actual, targets, ours);
                assertNear(theirs.logprobs(), ours.logprobs(), LOGPROB);
                assertNear(theirs.losses(), ours.losses(), LOGPROB);
                assertNear(expected, actual, dtype == DType.FP32 ? FP32 : BF16);
            }
        }
    }

    private static CrossEntropy.Penalized penalized(
            double smoothing, double zLoss, Tensor weights, Tensor plain, int n) {
        return new CrossEntropy.Penalized(
                smoothing, zLoss, weights, plain, Tensor.zeros(DType.FP32, n), Tensor.zeros(DType.FP32, n));
    }
}
