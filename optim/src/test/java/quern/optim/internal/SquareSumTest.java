package quern.optim.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import quern.tensor.DType;
import quern.tensor.Native;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.KernelThreads;
import quern.tensor.kernel.Kernels;

@Tag("each-path-nightly")
class SquareSumTest {
    /** Both ways of computing where this machine has both. */
    private static final List<Boolean> FUSED = Kernels.available() ? List.of(true, false) : List.of(false);

    private static List<Tensor> tensors(DType dtype) {
        RandomStream random = new RandomStream(3);
        List<Tensor> result = new ArrayList<>();
        for (long length : new long[] {0, 1, 15, 4_095, 4_096, 100_003, 1_300_000}) {
            result.add(Tensor.randn(random, length).to(dtype));
        }
        result.add(Tensor.randn(random, 70, 30).to(dtype).t());
        return result;
    }

    @Test
    void bothWaysEqualAPlainSum() {
        try (Scope scope = Scope.open()) {
            for (DType dtype : List.of(DType.FP32, DType.BF16)) {
                List<Tensor> tensors = tensors(dtype);
                for (boolean fused : FUSED) {
                    double[] sums = SquareSum.of(tensors, fused);
                    for (int i = 0; i < tensors.size(); i++) {
                        double expected = 0;
                        for (float value : tensors.get(i).toFloats()) {
                            expected += (double) value * value;
                        }
                        // Sums in double of at most 1.3 million terms in another order.
                        assertEquals(expected, sums[i], expected * 1e-12);
                    }
                }
            }
        }
    }

    @Test
    void theBitsDoNotDependOnTheNumberOfThreads() {
        int libtorch = Native.threads();
        int kernels = KernelThreads.count();
        try (Scope scope = Scope.open()) {
            List<Tensor> tensors = tensors(DType.FP32);
            for (boolean fused : FUSED) {
                Native.setThreads(1);
                KernelThreads.setCount(1);
                double[] alone = SquareSum.of(tensors, fused);
                for (int threads = 2; threads <= 4; threads++) {
                    Native.setThreads(threads);
                    KernelThreads.setCount(threads);
                    assertArrayEquals(alone, SquareSum.of(tensors, fused));
                }
            }
        } finally {
            Native.setThreads(libtorch);
            KernelThreads.setCount(kernels);
        }
    }
}
