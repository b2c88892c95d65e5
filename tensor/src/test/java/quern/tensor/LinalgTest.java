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
    void qHasOrthonormalColumnsAndRIsUpperTriangular() {
        try (Scope scope = Scope.open()) {
            Tensor a = Tensor.randn(new RandomStream(4), 3, 17, 9);
            Linalg.OrthogonalTriangular qr = Linalg.qr(a);
            assertArrayEquals(new long[] {3, 17, 9}, qr.q().shape());
            Tensor gram = qr.q().transpose(-1, -2).matmul(qr.q());
            Tensor identity =
                    Tensor.full(1, DType.FP32, Device.CPU, 9, 9).tril(0).triu(0);
            // A few roundings of fp32.
            assertEquals(0, gram.sub(identity).abs().max().item(), 1e-6);
            assertEquals(0, qr.r().tril(-1).abs().max().item());
            assertEquals(0, qr.q().matmul(qr.r()).sub(a).abs().max().item(), 1e-5);
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
