package quern.tensor;

import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.global.torch;

/**
 * Decompositions of matrices, fp32 or fp64, by LAPACK; leading dimensions are a batch whose matrices are taken one after
 * another. A matrix of side n costs in the order of n³: on one core of a present-day server an eigendecomposition in
 * fp64 takes milliseconds at n = 128 and seconds at n = 2048.
 */
public final class Linalg {
    private Linalg() {}

    /**
     * Eigenvalues and eigenvectors of symmetric matrices.
     *
     * @param values [..., n], from the smallest to the largest
     * @param vectors [..., n, n], of length 1, in columns
     */
    public record Eigen(Tensor values, Tensor vectors) {}

    /**
     * The factors of a QR decomposition.
     *
     * @param q [..., m, min(m, n)], orthonormal columns
     * @param r [..., min(m, n), n], upper triangular
     */
    public record OrthogonalTriangular(Tensor q, Tensor r) {}

    /**
     * A = V·diag(λ)·Vᵀ of symmetric matrices [..., n, n], of which the lower triangle is read. The sign of an eigenvector,
     * and the basis where eigenvalues are equal, are LAPACK's choice.
     *
     * @throws TensorException where the iteration does not converge, as for entries that are not finite
     */
    public static Eigen symmetricEigen(Tensor a) {
        return Native.call(
                "linalg_eigh",
                () -> {
                    T_TensorTensor_T pair = torch.linalg_eigh(a.raw());
                    return new Eigen(handle(pair.get0()), handle(pair.get1()));
                },
                a);
    }

    /** A = Q·R of matrices [..., m, n], in the reduced form. The signs of R's diagonal are LAPACK's choice. */
    public static OrthogonalTriangular qr(Tensor a) {
        return Native.call(
                "linalg_qr",
                () -> {
                    T_TensorTensor_T pair = torch.linalg_qr(a.raw(), "reduced");
                    return new OrthogonalTriangular(handle(pair.get0()), handle(pair.get1()));
                },
                a);
    }

    private static Tensor handle(org.bytedeco.pytorch.Tensor borrowed) {
        return new Tensor(new org.bytedeco.pytorch.Tensor(borrowed));
    }
}
