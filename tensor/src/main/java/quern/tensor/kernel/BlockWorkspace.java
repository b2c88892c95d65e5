package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import quern.tensor.kernel.DecoderBlockKernel.Activations;
import quern.tensor.kernel.DecoderBlockKernel.Scratch;
import quern.tensor.kernel.DecoderBlockKernel.Shape;
import quern.tensor.kernel.DecoderBlockKernel.Slot;
import quern.tensor.kernel.DecoderBlockKernel.Weights;

/**
 * The arrays in which a decoder block is computed, and the steps of it on a tile of rows or on a sequence. Blocks of one shape
 * use the same workspace one after another; it is kept for the next call unless memory is short.
 */
final class BlockWorkspace implements AutoCloseable {
    private record Key(Shape shape, List<Boolean> biased, int lanes) {}

    /** How many times its even share a lane may get before the parts of a block are shared one by one. */
    private static final double MOST_UNEVEN = 1.5;

    private static final SoftPool<Key, BlockWorkspace> FREE = new SoftPool<>();

    private final Key key;
    private final Shape s;
    /** Tokens that go through a part together. */
    private final int tile;

    private final HeapMap inputs;
    private final HeapMap output;
    private final HeapMap ups;
    private final HeapMap down;
    private final Lane[] lanes;
    private RowNorm attentionNorm;
    private RowNorm feedForwardNorm;
    final BlockAttention attention;

    /** A thread's own arrays. */
    private final class Lane {
        final float[] x = tile(inputs.inStride);
        final float[] normal = tile(inputs.inStride);
        final float[] dx = tile(inputs.inStride);
        final float[] mapped = tile(inputs.outStride);
        final float[] attended = tile(output.inStride);
        final float[] up = tile(ups.outStride);
        final float[] hidden = tile(down.inStride);
        final float[] scratch = new float[Lanes.COUNT];
        final float[] dAttentionWeight = new float[inputs.inStride];
        final float[] dAttentionBias = new float[inputs.inStride];
        final float[] dFeedForwardWeight = new float[inputs.inStride];
        final float[] dFeedForwardBias = new float[inputs.inStride];

        /** The first token of the rows that stay in these arrays from one part to the next; -1 where they don't. */
        int held = -1;

        private float[] tile(int stride) {
            return new float[CausalAttentionRows.room(tile, stride)];
        }
    }

    private BlockWorkspace(Key key) {
        this.key = key;
        this.s = key.shape;
        this.tile = s.tile();
        int d = s.width();
        int n = key.lanes;
        int widestIn = Math.max(Math.max(d, s.queries()), s.inner());
        int widestOut = Math.max(Math.max(d, s.mapped()), s.up());
        HeapMap.Scratch[] scratch = new HeapMap.Scratch[n];
        Arrays.setAll(scratch, i -> new HeapMap.Scratch(widestIn, widestOut, tile));
        inputs = new HeapMap(d, s.mapped(), key.biased.get(0), scratch);
        output = new HeapMap(s.queries(), d, key.biased.get(1), scratch);
        ups = new HeapMap(d, s.up(), key.biased.get(2), scratch);
        down = new HeapMap(s.inner(), d, key.biased.get(3), scratch);
        attention = new BlockAttention(s, n);
        lanes = new Lane[n];
        for (int i = 0; i < n; i++) {
            lanes[i] = new Lane();
        }
    }

    static BlockWorkspace take(Shape shape, List<Boolean> biased) {
        return FREE.take(new Key(shape, biased, KernelThreads.count()), BlockWorkspace::new);
    }

    @Override
    public void close() {
        FREE.give(key, this);
    }

    /**
     * Work on rows, then on attention, then on rows again. Where there are sequences enough each lane does all of its own ones,
     * some short ones together, one group after another while they are in its cache; a group of one tile stays in the lane's
     * arrays. Otherwise, and where sequences go on from others, all lanes share the rows, the heads and the rows.
     */
    void run(Activations a, KernelThreads.TileTask before, BlockAttention.Task middle, KernelThreads.TileTask after) {
        int[] own = shares(a);
        attention.prepare(a, own != null);
        boolean holds = attention.takes(inputs.outStride, output.inStride);
        for (Lane l : lanes) {
            l.held = -1;
        }
        if (own != null) {
            KernelThreads.run(lanes.length, lane -> {
                int to;
                for (int from = own[lane]; from < own[lane + 1]; from = to) {
                    int first = a.start(from);
                    to = from + 1;
                    while (to < own[lane + 1] && a.start(to + 1) - first <= tile) {
                        to++;
                    }
                    int rows = a.start(to) - first;
                    lanes[lane].held = holds && rows <= tile ? first : -1;
                    tiles(lane, first, rows, before);
                    for (int sequence = from; sequence < to; sequence++) {
                        middle.run(lane, sequence);
                    }
                    tiles(lane, first, rows, after);
                }
            });
            return;
        }
        shares(a.tokens(), before);
        attention.run(a, middle);
        shares(a.tokens(), after);
    }

    /** Where each lane's own sequences start, if they can be shared without much waiting; else null. */
    private int[] shares(Activations a) {
        if (a.sequences().areBranched() || a.sequences().count() < 2 * lanes.length) {
            return null;
        }
        int[] own = KernelThreads.evenShares(a.sequences().count(), lanes.length, a::length);
        long most = 0;
        for (int lane = 0; lane < lanes.length; lane++) {
            most = Math.max(most, a.start(own[lane + 1]) - a.start(own[lane]));
        }
        return most * lanes.length <= MOST_UNEVEN * a.tokens() ? own : null;
    }

    private void tiles(int lane, int first, int rows, KernelThreads.TileTask task) {
        for (int row = 0; row < rows; row += tile) {
            task.run(lane, first + row, Math.min(tile, rows - row));
        }
    }

    /** All rows, in equal shares of neighbours a lane and these in equal tiles, so that none waits for a last large one. */
    private void shares(int tokens, KernelThreads.TileTask task) {
        int share = Gemm.padRows(Math.ceilDiv(tokens, lanes.length));
        KernelThreads.run(lanes.length, lane -> {
            int from = Math.min(tokens, lane * share);
            int to = Math.min(tokens, from + share);
            int rows = Gemm.padRows(Math.ceilDiv(to - from, Math.max(1, Math.ceilDiv(to - from, tile))));
            for (int row = from; row < to; row += rows) {
                task.run(lane, row, Math.min(rows, to - row));
            }
        });
    }

    void loadForward(Weights w, Activations a) {
        load(w, a, (map, slots, part) -> map.loadForward(slots, a.type(), part, lanes.length));
    }

    void loadBackward(Weights w, Weights gradients, Activations a) {
        inputs.beginSums(gradients.inputs());
        output.beginSums(List.of(gradients.output()));
        ups.beginSums(gradients.ups());
        down.beginSums(List.of(gradients.down()));
        load(w, a, (map, slots, part) -> {
            map.loadBackward(slots, a.type(), part, lanes.length);
            map.clearSums(part);
            if (map == inputs) {
                Lane l = lanes[part];
                Arrays.fill(l.dAttentionWeight, 0);
                Arrays.fill(l.dAttentionBias, 0);
                Arrays.fill(l.dFeedForwardWeight, 0);
                Arrays.fill(l.dFeedForwardBias, 0);
            }
        });
    }

    @FunctionalInterface
    private interface Load {
        void part(HeapMap map, List<Slot> slots, int part);
    }

    private void load(Weights w, Activations a, Load load) {
        List<Slot> inputSlots = w.inputs();
        List<Slot> outputSlots = List.of(w.output());
        List<Slot> upSlots = w.ups();
        List<Slot> downSlots = List.of(w.down());
        KernelThreads.run(lanes.length, part -> {
            load.part(inputs, inputSlots, part);
            load.part(output, outputSlots, part);
            load.part(ups, upSlots, part);
            load.part(down, downSlots, part);
        });
        attentionNorm = RowNorm.of(w.attentionNorm(), a.type(), s.centred(), s.width(), s.attentionEps());
        feedForwardNorm = RowNorm.of(w.feedForwardNorm(), a.type(), s.centred(), s.width(), s.feedForwardEps());
    }

    /** Queries, keys and values of a tile. */
    void forwardInputs(int lane, Activations a, int first, int rows) {
        Lane l = lanes[lane];
        HeapRows.load(a.x(), a.type(), first, l.x, rows, s.width(), inputs.inStride);
        attentionNorm.forward(l.x, l.normal, rows, inputs.inStride, l.scratch);
        inputs.forward(l.normal, l.mapped, rows);
        if (l.held < 0 || a.areKept()) {
            HeapRows.store(l.mapped, a.qkv(), a.type(), first, rows, s.mapped(), inputs.outStride);
        }
    }

    /** Attention over an item. */
    void attend(int lane, Activations a, int item) {
        Lane l = lanes[lane];
        if (l.held < 0) {
            attention.forward(lane, a, item);
        } else {
            attention.forward(lane, a, item, mapped(l, a, item), attended(l, a, item));
        }
    }

    /** Back through the attention of an item. */
    void attendBackward(int lane, Activations a, Scratch scratch, int item) {
        Lane l = lanes[lane];
        if (l.held < 0) {
            attention.backward(lane, a, scratch, item);
        } else {
            attention.backward(lane, a, item, attended(l, a, item), mapped(l, a, item));
        }
    }

    /** A held sequence's queries, keys and values, or their gradient. */
    private Gemm.Rows mapped(Lane l, Activations a, int sequence) {
        return new Gemm.Rows(l.mapped, 0, inputs.outStride).from(a.start(sequence) - l.held);
    }

    /** A held sequence's results of attention, or their gradient. */
    private Gemm.Rows attended(Lane l, Activations a, int sequence) {
        return new Gemm.Rows(l.attended, 0, output.inStride).from(a.start(sequence) - l.held);
    }

    /** All of a tile after attention. */
    void forwardRest(int lane, Activations a, MemorySegment y, int first, int rows) {
        Lane l = lanes[lane];
        if (l.held < 0) {
            HeapRows.load(a.attended(), a.type(), first, l.attended, rows, s.queries(), output.inStride);
            HeapRows.load(a.x(), a.type(), first, l.x, rows, s.width(), inputs.inStride);
        } else if (a.areKept()) {
            HeapRows.store(l.attended, a.attended(), a.type(), first, rows, s.queries(), output.inStride);
        }
        output.forward(l.attended, l.dx, rows);
        HeapRows.add(l.x, l.dx, rows * inputs.inStride);
        if (a.areKept()) {
            HeapRows.store(l.x, a.middle(), a.type(), first, rows, s.width(), inputs.inStride);
        }
        feedForwardNorm.forward(l.x, l.normal, rows, inputs.inStride, l.scratch);
        ups.forward(l.normal, l.up, rows);
        if (a.areKept()) {
            HeapRows.store(l.up, a.inner(), a.type(), first, rows, s.up(), ups.outStride);
        }
        activate(l, rows);
        down.forward(l.hidden, l.dx, rows);
        HeapRows.add(l.x, l.dx, rows * inputs.inStride);
        HeapRows.store(l.x, y, a.type(), first, rows, s.width(), inputs.inStride);
    }

    private void activate(Lane l, int rows) {
        PartClock.Part before = PartClock.enter(PartClock.Part.ACTIVATION);
        for (int row = 0; row < rows; row++) {
            int up = row * ups.outStride;
            int hidden = row * down.inStride;
            if (s.gated()) {
                s.activation().gated(l.up, up, l.up, up + s.inner(), l.hidden, hidden, s.inner());
            } else {
                s.activation().forward(l.up, up, l.hidden, hidden, s.inner());
            }
        }
        PartClock.leave(before);
    }

    /** Back through the feed-forward part and attention's output map. */
    void backwardRest(int lane, Activations a, MemorySegment dy, Scratch scratch, int first, int rows) {
        Lane l = lanes[lane];
        int stride = inputs.inStride;
        HeapRows.load(a.inner(), a.type(), first, l.up, rows, s.up(), ups.outStride);
        HeapRows.load(dy, a.type(), first, l.dx, rows, s.width(), stride);
        down.backwardInput(l.dx, l.hidden, rows);
        PartClock.Part before = PartClock.enter(PartClock.Part.ACTIVATION);
        for (int row = 0; row < rows; row++) {
            int up = row * ups.outStride;
            int hidden = row * down.inStride;
            if (s.gated()) {
                s.activation()
                        .gatedBackward(l.up, up, l.up, up + s.inner(), l.hidden, hidden, l.hidden, hidden, s.inner());
            } else {
                s.activation().backward(l.up, up, l.hidden, hidden, l.hidden, hidden, s.inner());
            }
        }
        PartClock.leave(before);
        down.backwardWeight(l.hidden, l.dx, rows, lane);
        HeapRows.load(a.middle(), a.type(), first, l.x, rows, s.width(), stride);
        feedForwardNorm.forward(l.x, l.normal, rows, stride, l.scratch);
        ups.backwardWeight(l.normal, l.up, rows, lane);
        ups.backwardInput(l.up, l.normal, rows);
        feedForwardNorm.backward(
                l.x, l.normal, l.dx, rows, stride, l.dFeedForwardWeight, l.dFeedForwardBias, l.scratch);
        HeapRows.load(a.attended(), a.type(), first, l.attended, rows, s.queries(), output.inStride);
        output.backwardWeight(l.attended, l.dx, rows, lane);
        output.backwardInput(l.dx, l.attended, rows);
        if (l.held < 0) {
            HeapRows.store(l.dx, scratch.dMiddle(), a.type(), first, rows, s.width(), stride);
            HeapRows.store(l.attended, scratch.dAttended(), a.type(), first, rows, s.queries(), output.inStride);
        }
    }

    /** Back through the maps to queries, keys and values. */
    void backwardInputs(int lane, Activations a, Scratch scratch, MemorySegment dx, int first, int rows) {
        Lane l = lanes[lane];
        int stride = inputs.inStride;
        HeapRows.load(a.x(), a.type(), first, l.x, rows, s.width(), stride);
        attentionNorm.forward(l.x, l.normal, rows, stride, l.scratch);
        if (l.held < 0) {
            HeapRows.load(scratch.dQkv(), a.type(), first, l.mapped, rows, s.mapped(), inputs.outStride);
            HeapRows.load(scratch.dMiddle(), a.type(), first, l.dx, rows, s.width(), stride);
        }
        inputs.backwardWeight(l.normal, l.mapped, rows, lane);
        inputs.backwardInput(l.mapped, l.normal, rows);
        attentionNorm.backward(l.x, l.normal, l.dx, rows, stride, l.dAttentionWeight, l.dAttentionBias, l.scratch);
        HeapRows.store(l.dx, dx, a.type(), first, rows, s.width(), stride);
    }

    void store(Weights gradients, boolean added) {
        int parts = lanes.length;
        KernelThreads.run(parts, part -> {
            inputs.store(gradients.inputs(), added, part, parts);
            output.store(List.of(gradients.output()), added, part, parts);
            ups.store(gradients.ups(), added, part, parts);
            down.store(List.of(gradients.down()), added, part, parts);
        });
        sum(gradients.attentionNorm().weight(), added, l -> l.dAttentionWeight);
        sum(gradients.attentionNorm().bias(), added, l -> l.dAttentionBias);
        sum(gradients.feedForwardNorm().weight(), added, l -> l.dFeedForwardWeight);
        sum(gradients.feedForwardNorm().bias(), added, l -> l.dFeedForwardBias);
    }

    private void sum(MemorySegment target, boolean added, Function<Lane, float[]> sums) {
        HeapRows.storeSums(Arrays.stream(lanes).map(sums).toArray(float[][]::new), 0, target, 0, s.width(), added);
    }
}
