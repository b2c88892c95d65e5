package quern.optim.internal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.NormKernel;

/** Sums of tensors' squares in double, with the same bits for any number of threads. */
public final class SquareSum {
    // libtorch divides a sum over threads along the rows that stay, never inside a row, so sums of rows of a fixed
    // length depend on nothing else.
    private static final long ROW = 4096;
    // Bounds the double copy to 8 MB.
    private static final long CHUNK = 256 * ROW;

    private SquareSum() {}

    /**
     * The sum of each tensor's squares, not finite when an element is not: by the fused kernel for fp32 and bf16 on the
     * CPU where the kernels are available, by libtorch's operators otherwise. Their results belong to the open scope.
     */
    public static double[] of(List<Tensor> tensors) {
        return of(tensors, Kernels.available());
    }

    static double[] of(List<Tensor> tensors, boolean fused) {
        double[] sums = new double[tensors.size()];
        MemorySegment[] memories = new MemorySegment[sums.length];
        ElementType[] types = new ElementType[sums.length];
        long[] lengths = new long[sums.length];
        for (int i = 0; i < sums.length; i++) {
            Tensor x = tensors.get(i);
            DType dtype = x.dtype();
            if (fused
                    && (dtype == DType.FP32 || dtype == DType.BF16)
                    && !x.device().isCuda()) {
                memories[i] = x.contiguous().memory();
                types[i] = dtype == DType.BF16 ? ElementType.BF16 : ElementType.FP32;
                lengths[i] = x.numel();
            } else {
                sums[i] = byOperators(x);
            }
        }
        if (fused) {
            addFused(memories, types, lengths, sums);
        }
        return sums;
    }

    private static void addFused(MemorySegment[] memories, ElementType[] types, long[] lengths, double[] sums) {
        Slices slices = new Slices(lengths);
        double[] parts = new double[slices.count()];
        slices.run((slice, owner, begin, length) -> {
            int bytes = types[owner].bytes();
            MemorySegment part = memories[owner].asSlice(begin * bytes, (long) length * bytes);
            parts[slice] = NormKernel.sumOfSquares(part, types[owner], length);
        });
        for (int slice = 0; slice < parts.length; slice++) {
            sums[slices.owner(slice)] += parts[slice];
        }
    }

    private static double byOperators(Tensor x) {
        Tensor flat = x.contiguous().view(-1);
        long length = flat.numel();
        double sum = 0;
        for (long start = 0; start < length; start += CHUNK) {
            long size = Math.min(CHUNK, length - start);
            long whole = size / ROW * ROW;
            if (whole > 0) {
                sum += ofRows(flat.narrow(0, start, whole).view(-1, ROW));
            }
            if (whole < size) {
                sum += ofRows(flat.narrow(0, start + whole, size - whole).view(1, -1));
            }
        }
        return sum;
    }

    private static double ofRows(Tensor rows) {
        MemorySegment sums =
                rows.to(DType.FP64).square().sum(false, 1).to(Device.CPU).memory();
        double sum = 0;
        for (long i = 0; i < rows.size(0); i++) {
            sum += sums.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
        }
        return sum;
    }
}
