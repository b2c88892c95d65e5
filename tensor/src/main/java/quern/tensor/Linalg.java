package quern.tensor;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.openblas.global.openblas;
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

    /**
     * The Q of A = Q·R, of matrices [..., m, n] with m at least n: orthonormal columns that span the same as A's, the first
     * k as its first k. Their signs are LAPACK's choice. R is not computed.
     */
    public static Tensor orthonormal(Tensor a) {
        return Native.call(
                "geqrf",
                () -> {
                    T_TensorTensor_T reflections = torch.geqrf(a.raw());
                    return new Tensor(torch.linalg_householder_product(reflections.get0(), reflections.get1()));
                },
                a);
    }

    /** Which vectors of a matrix are multiplied with each other. */
    public enum GramOf {
        /** The rows: A·Aᵀ. */
        ROWS,
        /** The columns: Aᵀ·A. */
        COLUMNS
    }

    /**
     * {@code sum = beta · sum + alpha · (A·Aᵀ or Aᵀ·A)}, in place, where only the lower triangle of {@code sum} counts: what
     * is above it afterwards is not said. For fp32 on the CPU half the operations of a product, and no memory.
     *
     * @param sum [n, n], contiguous
     * @param a [n, k] for rows, [k, n] for columns, of the same dtype
     */
    public static void addGram_(Tensor sum, Tensor a, GramOf of, double beta, double alpha) {
        long n = sum.size(0);
        boolean rows = of == GramOf.ROWS;
        if (sum.dim() != 2 || a.dim() != 2 || sum.size(1) != n || a.size(rows ? 0 : 1) != n) {
            throw new IllegalArgumentException("sum %s and matrix %s do not fit for the products of %s"
                    .formatted(Arrays.toString(sum.shape()), Arrays.toString(a.shape()), of));
        }
        boolean plain = sum.dtype() != DType.FP32
                || a.dtype() != DType.FP32
                || sum.device().isCuda()
                || a.device().isCuda()
                || !sum.isContiguous()
                || !a.isContiguous()
                || a.numel() == 0
                || Math.max(n, a.size(rows ? 1 : 0)) > Integer.MAX_VALUE;
        if (plain) {
            Tensor left = rows ? a : a.t();
            sum.unsqueeze(0).baddbmm_(left.unsqueeze(0), left.t().unsqueeze(0), beta, alpha);
            return;
        }
        openblas.cblas_ssyrk(
                openblas.CblasRowMajor,
                openblas.CblasLower,
                rows ? openblas.CblasNoTrans : openblas.CblasTrans,
                (int) n,
                (int) a.size(rows ? 1 : 0),
                (float) alpha,
                new FloatPointer(a.raw().data_ptr()),
                (int) a.size(1),
                (float) beta,
                new FloatPointer(sum.raw().data_ptr()),
                (int) n);
    }

    private static Tensor handle(org.bytedeco.pytorch.Tensor borrowed) {
        return new Tensor(new org.bytedeco.pytorch.Tensor(borrowed));
    }
}
