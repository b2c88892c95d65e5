package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.Function;
import quern.tensor.kernel.DecoderBlockKernel.NormSlot;

/**
 * Layer norm and root-mean-square norm of rows in native memory, forward and backward ({@link RowNorm} has the formulas).
 * Arithmetic is in fp32 whatever the storage. Rows are divided among the kernel threads in fixed shares, whose sums are added in
 * order. N rows, D wide.
 */
public final class RowNormKernel {
    /** Rows that go through together: they stay in the second cache. */
    private static final int TILE = 16;

    private record Key(int width, int lanes) {}

    private static final SoftPool<Key, Lane[]> FREE = new SoftPool<>();

    private RowNormKernel() {}

    /** A thread's own arrays. */
    private static final class Lane {
        final float[] x;
        final float[] d;
        final float[] sum;
        final float[] weightSums;
        final float[] biasSums;
        final float[] scratch = new float[Lanes.COUNT];

        Lane(int stride) {
            x = new float[TILE * stride];
            d = new float[TILE * stride];
            sum = new float[TILE * stride];
            weightSums = new float[stride];
            biasSums = new float[stride];
        }
    }

    private static Lane[] lanes(Key key) {
        Lane[] lanes = new Lane[key.lanes];
        Arrays.setAll(lanes, i -> new Lane(Gemm.padColumns(key.width)));
        return lanes;
    }

    /**
     * What a norm is, and the rows it is of.
     *
     * @param centred layer norm; otherwise root-mean-square norm
     * @param type of the weights and of all rows
     * @param rows N
     * @param width D
     */
    public record Shape(boolean centred, double eps, ElementType type, int rows, int width) {}

    /** y [N, D] is written; may be x. */
    public static void forward(Shape s, NormSlot weights, MemorySegment x, MemorySegment y) {
        Kernels.require();
        RowNorm norm = RowNorm.of(weights, s.type, s.centred, s.width, s.eps);
        int stride = Gemm.padColumns(s.width);
        Key key = new Key(s.width, KernelThreads.count());
        Lane[] lanes = FREE.take(key, RowNormKernel::lanes);
        KernelThreads.tiles(s.rows, lanes.length, TILE, (lane, first, rows) -> {
            Lane l = lanes[lane];
            HeapRows.load(x, s.type, first, l.x, rows, s.width, stride);
            norm.forward(l.x, l.d, rows, stride, l.scratch);
            HeapRows.store(l.d, y, s.type, first, rows, s.width, stride);
        });
        FREE.give(key, lanes);
    }

    /**
     * {@code dx = dSum + } the gradient through the norm; all [N, D].
     *
     * @param dy the gradient of the norm's result
     * @param dSum what reaches x by other ways, or null
     * @param dx written; may be any of the others
     * @param gradients where the weights' gradients go, fp32; null for those not wanted
     * @param added whether they are added to what is there
     */
    public static void backward(
            Shape s,
            NormSlot weights,
            MemorySegment x,
            MemorySegment dy,
            MemorySegment dSum,
            MemorySegment dx,
            NormSlot gradients,
            boolean added) {
        Kernels.require();
        RowNorm norm = RowNorm.of(weights, s.type, s.centred, s.width, s.eps);
        int stride = Gemm.padColumns(s.width);
        Key key = new Key(s.width, KernelThreads.count());
        Lane[] lanes = FREE.take(key, RowNormKernel::lanes);
        for (Lane l : lanes) {
            Arrays.fill(l.weightSums, 0);
            Arrays.fill(l.biasSums, 0);
        }
        KernelThreads.tiles(s.rows, lanes.length, TILE, (lane, first, rows) -> {
            Lane l = lanes[lane];
            HeapRows.load(x, s.type, first, l.x, rows, s.width, stride);
            HeapRows.load(dy, s.type, first, l.d, rows, s.width, stride);
            if (dSum == null) {
                Arrays.fill(l.sum, 0, rows * stride, 0);
            } else {
                HeapRows.load(dSum, s.type, first, l.sum, rows, s.width, stride);
            }
            norm.backward(l.x, l.d, l.sum, rows, stride, l.weightSums, l.biasSums, l.scratch);
            HeapRows.store(l.sum, dx, s.type, first, rows, s.width, stride);
        });
        store(lanes, gradients.weight(), s.width, added, l -> l.weightSums);
        store(lanes, gradients.bias(), s.width, added, l -> l.biasSums);
        FREE.give(key, lanes);
    }

    private static void store(
            Lane[] lanes, MemorySegment target, int count, boolean added, Function<Lane, float[]> sums) {
        HeapRows.storeSums(Arrays.stream(lanes).map(sums).toArray(float[][]::new), 0, target, 0, count, added);
    }
}
