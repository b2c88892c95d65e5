package quern.optim.internal;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** The sum of a tensor's squares in double, with the same bits for any number of threads. */
public final class SquareSum {
    // libtorch divides a sum over threads along the rows that stay, never inside a row, so sums of rows of a fixed
    // length depend on nothing else.
    private static final long ROW = 4096;
    // Bounds the double copy to 8 MB.
    private static final long CHUNK = 256 * ROW;

    private SquareSum() {}

    /** The sum, not finite when an element is not. Results of operators belong to the open scope. */
    public static double of(Tensor x) {
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
