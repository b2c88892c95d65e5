package quern.tensor;

import quern.tensor.kernel.AccumulateKernel;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;

/**
 * Sums in fp32 of tensors of fewer bits. On the CPU a kernel does it in one pass; {@link #plain} is libtorch's operator,
 * which for mixed dtypes is several times slower there, and the kernel's oracle.
 */
public final class Accumulate {
    private Accumulate() {}

    /** {@code accumulator += addend}: fp32 of any shape, and fp32 or bf16 of the same shape. */
    public static void add(Tensor accumulator, Tensor addend) {
        DType dtype = addend.dtype();
        if (accumulator.dtype() != DType.FP32
                || !(dtype == DType.FP32 || dtype == DType.BF16)
                || accumulator.numel() == 0
                || accumulator.numel() != addend.numel()
                || accumulator.device().isCuda()
                || addend.device().isCuda()
                || !accumulator.isContiguous()
                || !addend.isContiguous()
                || !Kernels.available()) {
            plain(accumulator, addend);
            return;
        }
        AccumulateKernel.add(
                accumulator.memory(),
                addend.memory(),
                dtype == DType.BF16 ? ElementType.BF16 : ElementType.FP32,
                addend.numel(),
                1);
    }

    /** As {@link #add}, by libtorch's operator. */
    public static void plain(Tensor accumulator, Tensor addend) {
        try (Autograd.Mode mode = Autograd.noGrad()) {
            accumulator.add_(addend);
        }
    }
}
