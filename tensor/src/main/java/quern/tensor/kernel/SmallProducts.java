package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import quern.tensor.kernel.DecoderBlockKernel.Slot;

/**
 * Products of many fp32 rows with one small matrix and back: the head of a model with few tokens, where a library's call costs
 * more than its arithmetic. N rows, D features in, V out. Rows are divided among the kernel threads in fixed shares, whose sums
 * of weight gradients are added in order.
 */
public final class SmallProducts {
    private record Key(int in, int out, int lanes) {}

    private static final SoftPool<Key, SmallProducts> FREE = new SoftPool<>();

    private final HeapMap map;
    private final Lane[] lanes;

    /** A thread's own arrays. */
    private static final class Lane {
        final float[] x;
        final float[] y;
        final float[] dx;

        Lane(HeapMap map) {
            x = new float[DecoderBlockKernel.TILE * map.inStride];
            y = new float[DecoderBlockKernel.TILE * map.outStride];
            dx = new float[DecoderBlockKernel.TILE * map.inStride];
        }
    }

    @FunctionalInterface
    private interface Call {
        void on(SmallProducts products);
    }

    private SmallProducts(Key key) {
        HeapMap.Scratch[] scratch = new HeapMap.Scratch[key.lanes];
        Arrays.setAll(scratch, i -> new HeapMap.Scratch(key.in, key.out, DecoderBlockKernel.TILE));
        map = new HeapMap(key.in, key.out, false, scratch, PartClock.Part.HEAD);
        lanes = new Lane[key.lanes];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = new Lane(map);
        }
    }

    private static void with(int in, int out, Call call) {
        Kernels.require();
        Key key = new Key(in, out, KernelThreads.count());
        SmallProducts products = FREE.take(key, SmallProducts::new);
        call.on(products);
        FREE.give(key, products);
    }

    private void tiles(int total, KernelThreads.TileTask task) {
        KernelThreads.tiles(total, lanes.length, DecoderBlockKernel.TILE, task);
    }

    /**
     * {@code y = x·Wᵀ}.
     *
     * @param x [N, D]
     * @param w [V, D]
     * @param y [N, V], written
     */
    public static void forward(MemorySegment x, MemorySegment w, MemorySegment y, int rows, int in, int out) {
        Kernels.checkHolds("x", x, (long) rows * in, Float.BYTES);
        Kernels.checkHolds("w", w, (long) out * in, Float.BYTES);
        Kernels.checkWritable("y", y, (long) rows * out, Float.BYTES);
        with(in, out, p -> {
            p.map.loadForward(List.of(new Slot(w, null, out)), ElementType.FP32, 0, 1);
            p.tiles(rows, (lane, first, n) -> {
                Lane l = p.lanes[lane];
                HeapRows.load(x, ElementType.FP32, first, l.x, n, in, p.map.inStride);
                p.map.forward(l.x, l.y, n);
                HeapRows.store(l.y, y, ElementType.FP32, first, n, out, p.map.outStride);
            });
        });
    }

    /**
     * {@code dx = dy·W} and {@code dW += dyᵀ·x}.
     *
     * @param dy [N, V]
     * @param dx [N, D], written
     * @param dw [V, D], added to; null when it is not wanted
     */
    public static void backward(
            MemorySegment dy,
            MemorySegment x,
            MemorySegment w,
            MemorySegment dx,
            MemorySegment dw,
            int rows,
            int in,
            int out) {
        Kernels.checkHolds("dy", dy, (long) rows * out, Float.BYTES);
        Kernels.checkHolds("x", x, (long) rows * in, Float.BYTES);
        Kernels.checkHolds("w", w, (long) out * in, Float.BYTES);
        Kernels.checkWritable("dx", dx, (long) rows * in, Float.BYTES);
        if (dw != null) {
            Kernels.checkWritable("dw", dw, (long) out * in, Float.BYTES);
        }
        List<Slot> gradients = List.of(new Slot(dw, null, out));
        with(in, out, p -> {
            p.map.loadBackward(List.of(new Slot(w, null, out)), ElementType.FP32, 0, 1);
            p.map.beginSums(gradients);
            for (int lane = 0; lane < p.lanes.length; lane++) {
                p.map.clearSums(lane);
            }
            p.tiles(rows, (lane, first, n) -> {
                Lane l = p.lanes[lane];
                HeapRows.load(dy, ElementType.FP32, first, l.y, n, out, p.map.outStride);
                HeapRows.load(x, ElementType.FP32, first, l.x, n, in, p.map.inStride);
                p.map.backwardInput(l.y, l.dx, n);
                HeapRows.store(l.dx, dx, ElementType.FP32, first, n, in, p.map.inStride);
                p.map.backwardWeight(l.x, l.y, n, lane);
            });
            p.map.store(gradients, true, 0, 1);
        });
    }
}
