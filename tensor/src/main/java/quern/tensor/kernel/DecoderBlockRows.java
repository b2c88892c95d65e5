package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import quern.tensor.kernel.DecoderBlockKernel.Activations;
import quern.tensor.kernel.DecoderBlockKernel.NormSlot;
import quern.tensor.kernel.DecoderBlockKernel.Scratch;
import quern.tensor.kernel.DecoderBlockKernel.Shape;
import quern.tensor.kernel.DecoderBlockKernel.Slot;

/**
 * What lies between the matrix products of a pre-norm decoder block, forward and backward: norms, attention, activations,
 * residual sums and the gradients of biases, for blocks whose products a library does better. Everything reads and writes
 * native memory of one type; arithmetic is in fp32. The parts run in the order {@link DecoderBlockKernel} has them in.
 *
 * <p>Rows are divided among the kernel threads in fixed shares, whose sums are added in order. Letters as in {@link
 * DecoderBlockKernel}: N tokens, D width, U up features (F, or 2F where gated).
 */
public final class DecoderBlockRows implements AutoCloseable {
    /** Rows that go through a part together: they stay in the second cache. */
    private static final int TILE = 16;

    private record Key(Shape shape, int lanes) {}

    private static final SoftPool<Key, DecoderBlockRows> FREE = new SoftPool<>();

    private final Key key;
    private final Shape s;
    private final int stride;
    private final int upStride;
    private final int innerStride;
    private final Lane[] lanes;
    private final BlockAttention attention;

    /** A thread's own arrays. */
    private final class Lane {
        final float[] x = new float[TILE * stride];
        final float[] d = new float[TILE * stride];
        final float[] up = new float[TILE * widest()];
        final float[] hidden = new float[TILE * innerStride];
        final float[] weightSums = new float[widest()];
        final float[] scratch = new float[Lanes.COUNT];
    }

    /** The widest rows whose columns are summed. */
    private int widest() {
        return Math.max(stride, Math.max(upStride, Gemm.padColumns(s.mapped())));
    }

    /** Work on rows [first, first + rows), a tile at most. */
    @FunctionalInterface
    private interface TileTask {
        void run(Lane lane, int first, int rows);
    }

    private DecoderBlockRows(Key key) {
        this.key = key;
        s = key.shape;
        stride = Gemm.padColumns(s.width());
        upStride = Gemm.padColumns(s.up());
        innerStride = Gemm.padColumns(s.inner());
        attention = new BlockAttention(s, key.lanes);
        lanes = new Lane[key.lanes];
        for (int i = 0; i < lanes.length; i++) {
            lanes[i] = new Lane();
        }
    }

    /** The parts of blocks of a shape; to be closed after a call's last part. */
    public static DecoderBlockRows take(Shape shape) {
        Kernels.require();
        return FREE.take(new Key(shape, KernelThreads.count()), DecoderBlockRows::new);
    }

    @Override
    public void close() {
        FREE.give(key, this);
    }

    private void tiles(int tokens, TileTask task) {
        KernelThreads.tiles(tokens, lanes.length, TILE, (lane, first, rows) -> task.run(lanes[lane], first, rows));
    }

    private RowNormKernel.Shape norm(Activations a, double eps) {
        return new RowNormKernel.Shape(s.centred(), eps, a.type(), a.tokens(), s.width());
    }

    private RowNorm norm(NormSlot slot, ElementType type, double eps) {
        return RowNorm.of(slot, type, s.centred(), s.width(), eps);
    }

    /** The slots' biases side by side, or null when there are none. */
    private static float[] biases(List<Slot> slots, ElementType type) {
        if (slots.getFirst().bias() == null) {
            return null;
        }
        float[] array =
                new float[Gemm.padColumns(slots.stream().mapToInt(Slot::out).sum())];
        int at = 0;
        for (Slot slot : slots) {
            HeapRows.load(slot.bias(), type, 0, array, at, slot.out());
            at += slot.out();
        }
        return array;
    }

    private static void addBias(float[] rows, float[] bias, int count, int stride) {
        for (int row = 0; bias != null && row < count; row++) {
            for (int i = 0; i < bias.length; i += Lanes.COUNT) {
                Lanes.load(rows, row * stride + i).add(Lanes.load(bias, i)).intoArray(rows, row * stride + i);
            }
        }
    }

    /**
     * The norm before attention.
     *
     * @param h [N, D], written
     */
    public void normInputs(Activations a, NormSlot weights, MemorySegment h) {
        RowNormKernel.forward(norm(a, s.attentionEps()), weights, a.x(), h);
    }

    /** The norm before the feed-forward part, of {@code a.middle()}; h [N, D] is written. */
    public void normMiddle(Activations a, NormSlot weights, MemorySegment h) {
        RowNormKernel.forward(norm(a, s.feedForwardEps()), weights, a.middle(), h);
    }

    /** Adds the biases to {@code a.qkv()}, if there are any. */
    public void biasInputs(Activations a, List<Slot> inputs) {
        float[] bias = biases(inputs, a.type());
        if (bias == null) {
            return;
        }
        int mapped = Gemm.padColumns(s.mapped());
        tiles(a.tokens(), (l, first, rows) -> {
            HeapRows.load(a.qkv(), a.type(), first, l.up, rows, s.mapped(), mapped);
            addBias(l.up, bias, rows, mapped);
            HeapRows.store(l.up, a.qkv(), a.type(), first, rows, s.mapped(), mapped);
        });
    }

    /** Attention: {@code a.qkv()} to {@code a.attended()}. */
    public void attend(Activations a) {
        attention.prepare(a, s.keyValueHeads() == 1);
        attention.run(a, (lane, item) -> attention.forward(lane, a, item));
    }

    /** Back through attention: {@code scratch.dAttended()} to {@code scratch.dQkv()}. */
    public void attendBackward(Activations a, Scratch scratch) {
        attention.prepare(a, s.keyValueHeads() == 1);
        attention.run(a, (lane, item) -> attention.backward(lane, a, scratch, item));
    }

    /**
     * The first residual sum and the norm of it.
     *
     * @param mapped [N, D], attention's output map without its bias
     * @param h [N, D], written; may be {@code mapped}
     */
    public void middle(Activations a, MemorySegment mapped, Slot output, NormSlot weights, MemorySegment h) {
        float[] bias = biases(List.of(output), a.type());
        RowNorm norm = norm(weights, a.type(), s.feedForwardEps());
        tiles(a.tokens(), (l, first, rows) -> {
            sum(l, a, a.x(), mapped, bias, first, rows);
            HeapRows.store(l.x, a.middle(), a.type(), first, rows, s.width(), stride);
            norm.forward(l.x, l.d, rows, stride, l.scratch);
            HeapRows.store(l.d, h, a.type(), first, rows, s.width(), stride);
        });
    }

    /** The second residual sum, over y [N, D], which is the last map without its bias. */
    public void finish(Activations a, MemorySegment y, Slot down) {
        float[] bias = biases(List.of(down), a.type());
        tiles(a.tokens(), (l, first, rows) -> {
            sum(l, a, a.middle(), y, bias, first, rows);
            HeapRows.store(l.x, y, a.type(), first, rows, s.width(), stride);
        });
    }

    private void sum(Lane l, Activations a, MemorySegment x, MemorySegment y, float[] bias, int first, int rows) {
        HeapRows.load(x, a.type(), first, l.x, rows, s.width(), stride);
        HeapRows.load(y, a.type(), first, l.d, rows, s.width(), stride);
        addBias(l.d, bias, rows, stride);
        HeapRows.add(l.x, l.d, rows * stride);
    }

    /**
     * The activation of {@code a.inner()}, to which the biases are added first, where it stands.
     *
     * @param hidden [N, F], written
     */
    public void activate(Activations a, List<Slot> ups, MemorySegment hidden) {
        float[] bias = biases(ups, a.type());
        tiles(a.tokens(), (l, first, rows) -> {
            HeapRows.load(a.inner(), a.type(), first, l.up, rows, s.up(), upStride);
            if (bias != null) {
                addBias(l.up, bias, rows, upStride);
                HeapRows.store(l.up, a.inner(), a.type(), first, rows, s.up(), upStride);
            }
            PartClock.Part before = PartClock.enter(PartClock.Part.ACTIVATION);
            for (int row = 0; row < rows; row++) {
                int up = row * upStride;
                int at = row * innerStride;
                if (s.gated()) {
                    s.activation().gated(l.up, up, l.up, up + s.inner(), l.hidden, at, s.inner());
                } else {
                    s.activation().forward(l.up, up, l.hidden, at, s.inner());
                }
            }
            PartClock.leave(before);
            HeapRows.store(l.hidden, hidden, a.type(), first, rows, s.inner(), innerStride);
        });
    }

    /**
     * Back through the activation.
     *
     * @param hidden [N, F], its gradient; overwritten with the activation made again
     * @param dInner [N, U], written
     */
    public void activateBackward(Activations a, MemorySegment hidden, MemorySegment dInner) {
        tiles(a.tokens(), (l, first, rows) -> {
            HeapRows.load(a.inner(), a.type(), first, l.up, rows, s.up(), upStride);
            HeapRows.load(hidden, a.type(), first, l.hidden, rows, s.inner(), innerStride);
            PartClock.Part before = PartClock.enter(PartClock.Part.ACTIVATION);
            for (int row = 0; row < rows; row++) {
                int up = row * upStride;
                int at = row * innerStride;
                if (s.gated()) {
                    s.activation().gatedBackward(l.up, up, l.up, up + s.inner(), l.hidden, at, l.hidden, at, s.inner());
                } else {
                    s.activation().backward(l.up, up, l.hidden, at, l.hidden, at, s.inner());
                }
            }
            PartClock.leave(before);
            HeapRows.store(l.hidden, hidden, a.type(), first, rows, s.inner(), innerStride);
            HeapRows.store(l.up, dInner, a.type(), first, rows, s.up(), upStride);
        });
    }

    /** {@code dx = dSum + } the gradient through the norm before attention; see {@link #normMiddleBackward}. */
    public void normInputsBackward(
            Activations a,
            NormSlot weights,
            MemorySegment dh,
            MemorySegment dSum,
            MemorySegment dx,
            NormSlot to,
            boolean added) {
        RowNormKernel.backward(norm(a, s.attentionEps()), weights, a.x(), dh, dSum, dx, to, added);
    }

    /**
     * {@code dx = dSum + } the gradient through the norm of {@code a.middle()}; all [N, D].
     *
     * @param dh the gradient of the norm's result
     * @param dx written; may be any of the others
     * @param to where the weights' gradients go, fp32; null for those not wanted
     * @param added whether they are added to what is there
     */
    public void normMiddleBackward(
            Activations a,
            NormSlot weights,
            MemorySegment dh,
            MemorySegment dSum,
            MemorySegment dx,
            NormSlot to,
            boolean added) {
        RowNormKernel.backward(norm(a, s.feedForwardEps()), weights, a.middle(), dh, dSum, dx, to, added);
    }

    private void clearSums() {
        for (Lane l : lanes) {
            Arrays.fill(l.weightSums, 0);
        }
    }

    /**
     * The gradients of biases, which are the sums of columns.
     *
     * @param d [N, out features of all slots]
     * @param to the slots whose biases' gradients are written, fp32; those that are null are not wanted
     * @param added whether they are added to what is there
     */
    public void biasGradients(Activations a, MemorySegment d, List<Slot> to, boolean added) {
        if (to.stream().allMatch(slot -> slot.bias() == null)) {
            return;
        }
        int width = to.stream().mapToInt(Slot::out).sum();
        int padded = Gemm.padColumns(width);
        clearSums();
        tiles(a.tokens(), (l, first, rows) -> {
            HeapRows.load(d, a.type(), first, l.up, rows, width, padded);
            for (int row = 0; row < rows; row++) {
                for (int i = 0; i < padded; i += Lanes.COUNT) {
                    Lanes.load(l.weightSums, i)
                            .add(Lanes.load(l.up, row * padded + i))
                            .intoArray(l.weightSums, i);
                }
            }
        });
        int at = 0;
        for (Slot slot : to) {
            store(slot.bias(), at, slot.out(), added, l -> l.weightSums);
            at += slot.out();
        }
    }

    private void store(MemorySegment target, int from, int count, boolean added, Function<Lane, float[]> sums) {
        HeapRows.storeSums(Arrays.stream(lanes).map(sums).toArray(float[][]::new), from, target, 0, count, added);
    }
}
