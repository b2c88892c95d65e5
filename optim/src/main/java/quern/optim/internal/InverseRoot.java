package quern.optim.internal;

import quern.tensor.DType;
import quern.tensor.Linalg;
import quern.tensor.Tensor;

/** Inverse roots of positive semidefinite matrices that stay finite whatever rounding does to small eigenvalues. */
public final class InverseRoot {
    private static final double FP64_EPSILON = 0x1p-52;

    private InverseRoot() {}

    /**
     * (εI + A)^(-1/order) of symmetric matrices [batch, n, n] in fp64, by eigendecomposition. A is positive semidefinite
     * but for rounding: an eigenvalue below 0 counts as 0, and the sum with ε as no less than n·2⁻⁵² of the matrix's
     * largest, since what is smaller is noise.
     *
     * @param epsilon above 0
     * @throws quern.tensor.TensorException where an entry is not finite
     */
    public static Tensor of(Tensor matrices, double epsilon, int order) {
        Linalg.Eigen eigen = Linalg.symmetricEigen(matrices.to(DType.FP64));
        long side = matrices.size(-1);
        Tensor values = eigen.values().clampMin(0).add_(epsilon);
        Tensor floor = values.amax(true, -1).mul_(side * FP64_EPSILON);
        Tensor roots = values.maximum(floor).pow(-1.0 / order);
        Tensor vectors = eigen.vectors();
        return vectors.mul(roots.unsqueeze(-2)).bmm(vectors.transpose(-1, -2));
    }
}
