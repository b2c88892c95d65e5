package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Against libtorch's products. */
@Tag("each-path")
class SmallProductsTest {
    /** Of the largest element: fp32 sums of some hundred terms in another order. Worst measured: 8e-7. */
    private static final double TOLERANCE = 4e-6;

    @BeforeAll
    static void needsTheKernels() {
        assumeTrue(Kernels.available(), Kernels.unavailableReason());
    }

    private static void assertNear(Tensor expected, Tensor actual, String what) {
        float[] e = expected.contiguous().toFloats();
        float[] a = actual.toFloats();
        assertEquals(e.length, a.length);
        double largest = 0;
        double worst = 0;
        for (int i = 0; i < e.length; i++) {
            largest = Math.max(largest, Math.abs(e[i]));
            worst = Math.max(worst, Math.abs(e[i] - a[i]));
        }
        assertTrue(worst <= TOLERANCE * largest, what + " is off by " + worst + " of " + largest);
    }

    @ParameterizedTest
    @CsvSource({"768, 128, 65, 2", "1, 1, 1, 2", "130, 7, 33, 3", "5, 64, 200, 2", "300, 33, 1, 1"})
    void equalLibtorchs(int rows, int in, int out, int threads) {
        int before = KernelThreads.count();
        try (Scope scope = Scope.open()) {
            KernelThreads.setCount(threads);
            RandomStream random = new RandomStream(4);
            // Twice, since arrays are used again.
            for (int i = 0; i < 2; i++) {
                Tensor x = Tensor.randn(random, rows, in);
                Tensor w = Tensor.randn(random, out, in);
                Tensor dy = Tensor.randn(random, rows, out);
                Tensor y = Tensor.randn(random, rows, out);
                Tensor dx = Tensor.randn(random, rows, in);
                Tensor dw = Tensor.randn(random, out, in);
                Tensor sums = dw.copy().add_(dy.t().matmul(x));
                SmallProducts.forward(x.memory(), w.memory(), y.memory(), rows, in, out);
                SmallProducts.backward(dy.memory(), x.memory(), w.memory(), dx.memory(), dw.memory(), rows, in, out);
                assertNear(x.matmul(w.t()), y, "y");
                assertNear(dy.matmul(w), dx, "dx");
                assertNear(sums, dw, "dw");
                SmallProducts.backward(dy.memory(), x.memory(), w.memory(), dx.memory(), null, rows, in, out);
                assertNear(dy.matmul(w), dx, "dx alone");
            }
        } finally {
            KernelThreads.setCount(before);
        }
    }
}
