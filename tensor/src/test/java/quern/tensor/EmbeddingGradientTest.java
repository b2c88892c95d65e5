package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;

@Tag("each-path")
class EmbeddingGradientTest {
    /** Of the largest element: up to a hundred lookups of a row, summed in another order and rounded once less each. */
    private static final double FP32 = 1e-6;
    /** A rounding to 8 bits, which the last bits of the sum before it may tip. */
    private static final double BF16 = 0x1p-8;

    private static Tensor ids(SplittableRandom random, int n, int rows) {
        long[] ids = new long[n];
        for (int i = 0; i < n; i++) {
            // Some rows often, most of a large table never.
            ids[i] = random.nextInt(random.nextBoolean() ? rows : Math.min(rows, 5));
        }
        return Tensor.of(ids, n);
    }

    private static void assertNear(Tensor expected, Tensor actual, double tolerance) {
        float[] theirs = expected.to(DType.FP32).toFloats();
        float[] ours = actual.to(DType.FP32).toFloats();
        double largest = 0;
        for (float x : theirs) {
            largest = Math.max(largest, Math.abs(x));
        }
        for (int i = 0; i < ours.length; i++) {
            assertEquals(theirs[i], ours[i], tolerance * largest, "element " + i);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FP32, FP32, 1, 1, 1",
        "FP32, FP32, 11, 7, 40",
        "FP32, BF16, 97, 65, 200",
        "BF16, BF16, 97, 65, 200",
        "BF16, BF16, 5, 16, 100",
        "BF16, FP32, 300, 33, 77",
        "FP32, FP32, 1000, 384, 512",
        "FP32, BF16, 13, 24, 0"
    })
    void isTheOperators(DType gradientType, DType lookupType, int rows, int width, int n) {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(rows + n);
            Tensor ids = ids(new SplittableRandom(n), n, rows);
            Tensor before = Tensor.randn(random, rows, width).to(gradientType);
            Tensor lookups = Tensor.randn(random, n, width).to(lookupType);
            for (long skipped : new long[] {-1, 0, rows - 1}) {
                Tensor expected = before.to(DType.FP32).copy();
                EmbeddingGradient.plain(expected, ids, lookups, 0.7, skipped);
                Tensor actual = before.copy();
                EmbeddingGradient.add(actual, ids, lookups, 0.7, skipped);
                if (Kernels.available() || gradientType == DType.FP32) {
                    assertNear(expected, actual, gradientType == DType.FP32 ? FP32 : BF16);
                }
            }
        }
    }

    /** What libtorch's own backward of a lookup gives. */
    @Test
    void isAutograds() {
        try (Scope scope = Scope.open()) {
            RandomStream random = new RandomStream(3);
            Tensor table = Tensor.randn(random, 29, 19).requiresGrad_(true);
            Tensor ids = ids(new SplittableRandom(4), 60, 29);
            Tensor lookups = Tensor.randn(random, 60, 19);
            Autograd.backward(List.of(Functional.embedding(table, ids, 2)), List.of(lookups));
            Tensor gradient = Tensor.zeros(DType.FP32, 29, 19);
            EmbeddingGradient.add(gradient, ids, lookups, 1, 2);
            assertNear(table.grad(), gradient, FP32);
        }
    }

    @Test
    void rowsThatWereNotLookedUpAreNotTouched() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
        try (Scope scope = Scope.open()) {
            // Any arithmetic would change a NaN's bits or a negative zero.
            Tensor gradient = Tensor.full(Float.NaN, DType.FP32, Device.CPU, 9, 5);
            EmbeddingGradient.add(
                    gradient.narrow(0, 0, 8), Tensor.of(new long[] {3, 3}, 2), Tensor.zeros(DType.FP32, 2, 5), 1, 3);
            assertEquals(
                    45, gradient.isFinite().logicalNot().to(DType.INT64).sum().item());
            gradient.fill_(-0.0);
            EmbeddingGradient.add(
                    gradient, Tensor.of(new long[] {3, 3}, 2), Tensor.full(1, DType.FP32, Device.CPU, 2, 5), 1, -1);
            float[] values = gradient.toFloats();
            for (int i = 0; i < values.length; i++) {
                assertEquals(i / 5 == 3 ? 2f : -0.0f, values[i], "element " + i);
            }
        }
    }

    @Test
    void anyCountOfThreadsGivesTheSameBits() {
        int before = KernelThreads.count();
        try (Scope scope = Scope.open()) {
            Tensor ids = ids(new SplittableRandom(1), 3000, 500);
            Tensor lookups = Tensor.randn(new RandomStream(1), 3000, 40).to(DType.BF16);
            float[] first = null;
            for (int threads = 1; threads <= 3; threads++) {
                KernelThreads.setCount(threads);
                Tensor gradient = Tensor.zeros(DType.FP32, 500, 40);
                EmbeddingGradient.add(gradient, ids, lookups, 1, -1);
                first = first == null ? gradient.toFloats() : first;
                assertArrayEquals(first, gradient.toFloats());
            }
        } finally {
            KernelThreads.setCount(before);
        }
    }

    @Test
    void anIdOutsideIsNamed() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
        try (Scope scope = Scope.open()) {
            Tensor gradient = Tensor.zeros(DType.FP32, 4, 3);
            Tensor lookups = Tensor.zeros(DType.FP32, 2, 3);
            IllegalArgumentException e = assertThrows(
                    IllegalArgumentException.class,
                    () -> EmbeddingGradient.add(gradient, Tensor.of(new long[] {1, 4}, 2), lookups, 1, -1));
            assertEquals("id 4 at 1, expected 0 to 3", e.getMessage());
        }
    }
}
