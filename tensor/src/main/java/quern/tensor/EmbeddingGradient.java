package quern.tensor;

import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.EmbeddingKernel;
import quern.tensor.kernel.Kernels;

/**
 * Adds the cotangents of lookups to the gradient of their table. V rows, D wide, N lookups. On the CPU a kernel goes over the
 * rows that were looked up and no others; {@link #plain} says the same in libtorch's operators, and is the kernel's oracle.
 */
public final class EmbeddingGradient {
    private EmbeddingGradient() {}

    /**
     * {@code gradient[ids[n]] += factor · lookups[n]}.
     *
     * @param gradient_VD fp32 or bf16
     * @param ids_N int64, each in [0, V)
     * @param lookups_ND fp32 or bf16
     * @param skipped lookups of this row add nothing; negative for none
     */
    public static void add(Tensor gradient_VD, Tensor ids_N, Tensor lookups_ND, double factor, long skipped) {
        if (!fits(gradient_VD) || !fits(lookups_ND) || !ids_N.isContiguous() || !Kernels.available()) {
            plain(gradient_VD, ids_N, lookups_ND, factor, skipped);
            return;
        }
        EmbeddingKernel.add(rows(gradient_VD), ids_N.memory(), rows(lookups_ND), (float) factor, skipped);
    }

    private static boolean fits(Tensor x) {
        return (x.dtype() == DType.FP32 || x.dtype() == DType.BF16)
                && x.numel() > 0
                && !x.device().isCuda()
                && x.isContiguous();
    }

    static EmbeddingKernel.Rows rows(Tensor x) {
        return new EmbeddingKernel.Rows(
                x.memory(),
                x.dtype() == DType.FP32 ? ElementType.FP32 : ElementType.BF16,
                x.size(0),
                Math.toIntExact(x.size(1)));
    }

    /** As {@link #add}, by libtorch's operators: a row of bf16 is rounded after every lookup. */
    public static void plain(Tensor gradient_VD, Tensor ids_N, Tensor lookups_ND, double factor, long skipped) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            Tensor lookups = lookups_ND.to(gradient_VD.dtype());
            if (factor != 1) {
                lookups = lookups.mul(factor);
            }
            if (skipped >= 0) {
                lookups = lookups.maskedFill(ids_N.eq(skipped).unsqueeze(-1), 0);
            }
            gradient_VD.indexAdd_(0, ids_N, lookups);
        }
    }
}
