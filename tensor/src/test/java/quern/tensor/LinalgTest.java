package quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class LinalgTest {
    @Test
    void eigenvectorsRebuildTheirMatrices() {
        for (DType dtype : new DType[] {DType.FP32, DType.FP64}) {
            try (Scope scope = Scope.open()) {
                Tensor x = Tensor.randn(new RandomStream(3), 2, 33, 40).to(dtype);
                Tensor a = x.matmul(x.transpose(-1, -2));
                Linalg.Eigen eigen = Linalg.symmetricEigen(a);
                Tensor rebuilt = eigen.vectors()
                        .mul(eigen.values().unsqueeze(-2))
                        .matmul(eigen.vectors().transpose(-1, -2));
                // Rounding of sums of 40 products whose size is that of the largest entry.
                double tolerance =
                        (dtype == DType.FP32 ? 1e-5 : 1e-13) * a.abs().max().item();
                assertEquals(0, rebuilt.sub(a).abs().max().item(), tolerance);
                Tensor values = eigen.values();
                assertTrue(values.narrow(-1, 1, 32)
                                .sub(values.narrow(-1, 0, 32))
                                .ge(0)
                                .to(DType.FP32)
                                .mean()
                                .item()
                        == 1);
            }
        }
    }

    @Test
    void orthonormalColumnsSpanWhatTheMatrixsDo() {
        try (Scope scope = Scope.open()) {
            Tensor a = Tensor.randn(new RandomStream(4), 3, 17, 9);
            Tensor q = Linalg.orthonormal(a);
            assertArrayEquals(new long[] {3, 17, 9}, q.shape());
            Tensor gram = q.transpose(-1, -2).matmul(q);
            Tensor identity =
                    Tensor.full(1, DType.FP32, Device.CPU, 9, 9).tril(0).triu(0);
            // A few roundings of fp32.
            assertEquals(0, gram.sub(identity).abs().max().item(), 1e-6);
            // R: the first k columns of A need the first k of Q.
            Tensor r = q.transpose(-1, -2).matmul(a);
            assertEquals(0, r.tril(-1).abs().max().item(), 1e-5);
            assertEquals(0, q.matmul(r).sub(a).abs().max().item(), 1e-5);
        }
    }

    @Test
    void sumsOfProductsAreThoseOfTheWholeProductBelowTheDiagonal() {
        for (DType dtype : new DType[] {DType.FP32, DType.FP64}) {
            for (long[] shape : new long[][] {{1, 1}, {5, 3}, {33, 70}, {70, 33}, {4, 0}}) {
                try (Scope scope = Scope.open()) {
                    RandomStream random = new RandomStream(8);
                    Tensor a = Tensor.randn(random, shape).to(dtype);
                    checkGram(random, a, a, Linalg.GramOf.ROWS);
                    if (shape[1] > 0) {
                        checkGram(random, a, a.t(), Linalg.GramOf.COLUMNS);
                        // Memory in another order takes libtorch's product.
                        checkGram(random, a.t(), a.t(), Linalg.GramOf.ROWS);
                    }
                }
            }
        }
    }

    private static void checkGram(RandomStream random, Tensor a, Tensor left, Linalg.GramOf of) {
        long n = left.size(0);
        Tensor start = Tensor.randn(random, n, n).to(a.dtype());
        Tensor sum = start.copy();
        Linalg.addGram_(sum, a, of, 0.75, 2);
        Tensor expected = start.mul(0.75).add(left.matmul(left.t()).mul(2));
        // Sums of up to 70 products of numbers near 1.
        double tolerance = a.dtype() == DType.FP32 ? 1e-4 : 1e-12;
        assertEquals(0, sum.sub(expected).tril(0).abs().max().item(), tolerance);
    }

    @Test
    void sumsOfProductsThatDoNotFitAreRefused() {
        try (Scope scope = Scope.open()) {
            Tensor sum = Tensor.zeros(DType.FP32, 4, 4);
            Tensor a = Tensor.zeros(DType.FP32, 4, 3);
            assertThrows(IllegalArgumentException.class, () -> Linalg.addGram_(sum, a, Linalg.GramOf.COLUMNS, 1, 1));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> Linalg.addGram_(Tensor.zeros(DType.FP32, 4, 5), a, Linalg.GramOf.ROWS, 1, 1));
        }
    }

    @Test
    void aMatrixThatIsNotFiniteIsAnError() {
        try (Scope scope = Scope.open()) {
            Tensor nan = Tensor.full(Double.NaN, DType.FP64, Device.CPU, 4, 4);
            TensorException e = assertThrows(TensorException.class, () -> Linalg.symmetricEigen(nan));
            assertTrue(e.getMessage().contains("linalg_eigh"), e.getMessage());
        }
    }

    @Test
    void repeatedDecompositionsGiveTheSameBits() {
        try (Scope scope = Scope.open()) {
            Tensor x = Tensor.randn(new RandomStream(5), 200, 200).to(DType.FP64);
            Tensor a = x.matmul(x.t());
            Linalg.Eigen first = Linalg.symmetricEigen(a);
            Linalg.Eigen second = Linalg.symmetricEigen(a);
            assertTrue(first.values().equal(second.values()));
            assertTrue(first.vectors().equal(second.vectors()));
        }
    }
}
