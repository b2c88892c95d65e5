package quern.tensor.kernel;

import quern.tensor.kernel.DecoderBlockKernel.Activations;
import quern.tensor.kernel.DecoderBlockKernel.Scratch;
import quern.tensor.kernel.DecoderBlockKernel.Shape;

/**
 * Attention of a decoder block between its queries, keys and values and its results, all in native memory. The work comes in
 * numbered items, each a sequence or its share of a sequence's key-value heads, and is done in arrays that each lane keeps.
 */
final class BlockAttention {
    /** What a token's attention costs beside its scores, in keys. */
    private static final int STEP_COST = 64;

    private final Shape s;
    private final Lane[] lanes;
    private float[] cos = {};
    private float[] sin = {};
    private int parts;

    /** Work on a numbered item. */
    @FunctionalInterface
    interface Task {
        /** Does it with the arrays of a lane. */
        void run(int lane, int item);
    }

    /** A thread's own arrays. */
    private final class Lane {
        private AttentionArrays whole;
        private AttentionArrays part;
        AttentionArrays now;

        /** All heads at once and a share of them have arrays of their own, since batches may take turns. */
        void prepare(int length, int heads, int keyValueHeads) {
            boolean all = heads == s.heads();
            AttentionArrays arrays = all ? whole : part;
            if (arrays == null || arrays.length < length) {
                arrays = new AttentionArrays(heads, keyValueHeads, length);
            }
            if (all) {
                whole = arrays;
            } else {
                part = arrays;
            }
            now = arrays;
        }
    }

    /** Attention over some heads, for sequences of at most a length. */
    private final class AttentionArrays {
        final CausalAttentionRows rows;
        final int length;
        final float[] qkv;
        // Not needed where rows stay in the caller's arrays.
        private float[] dQkv;
        private float[] y;
        private float[] dy;

        AttentionArrays(int heads, int keyValueHeads, int length) {
            this.length = length;
            rows = new CausalAttentionRows(heads, keyValueHeads, s.headWidth(), length, s.scale());
            qkv = new float[CausalAttentionRows.room(length, rows.stride)];
        }

        private float[] y() {
            if (y == null) {
                y = new float[CausalAttentionRows.room(length, rows.outputStride)];
            }
            return y;
        }

        private float[] dy() {
            if (dy == null) {
                dy = new float[CausalAttentionRows.room(length, rows.outputStride)];
            }
            return dy;
        }

        private float[] dQkv() {
            if (dQkv == null) {
                dQkv = new float[CausalAttentionRows.room(length, rows.stride)];
            }
            return dQkv;
        }
    }

    BlockAttention(Shape shape, int count) {
        s = shape;
        lanes = new Lane[count];
        for (int i = 0; i < count; i++) {
            lanes[i] = new Lane();
        }
    }

    /** Makes room for the sequences; items are whole sequences, or else one for each key-value head of each. */
    void prepare(Activations a, boolean whole) {
        parts = whole ? 1 : s.keyValueHeads();
        int longest = a.longest();
        for (Lane l : lanes) {
            l.prepare(longest, s.heads() / parts, s.keyValueHeads() / parts);
        }
        if (s.rotary()) {
            int n = (a.ownAngles() ? a.tokens() : longest) * (s.headWidth() / 2);
            if (cos.length < n) {
                cos = new float[n];
                sin = new float[n];
            }
            HeapRows.load(a.cos(), a.type(), 0, cos, 0, n);
            HeapRows.load(a.sin(), a.type(), 0, sin, 0, n);
        }
    }

    /** Does all items, shared evenly among the lanes. */
    void run(Activations a, Task task) {
        int[] items = KernelThreads.evenShares(a.sequences() * parts, lanes.length, item -> {
            long length = a.length(item / parts);
            return length * (length + STEP_COST);
        });
        KernelThreads.run(lanes.length, lane -> {
            for (int item = items[lane]; item < items[lane + 1]; item++) {
                task.run(lane, item);
            }
        });
    }

    /** An item's results from its queries, keys and values. */
    void forward(int lane, Activations a, int item) {
        PartClock.Part before = PartClock.enter(PartClock.Part.ATTENTION);
        attend(lane, a, item);
        PartClock.leave(before);
    }

    private void attend(int lane, Activations a, int item) {
        Lane l = lanes[lane];
        gather(l, a, item);
        int sequence = item / parts;
        int length = a.length(sequence);
        l.now.rows.forward(l.now.qkv, 0, l.now.y(), 0, length);
        int share = l.now.rows.outputStride;
        long first = a.starts()[sequence];
        if (parts == 1) {
            HeapRows.store(l.now.y(), 0, a.attended(), a.type(), first * share, length * share);
            return;
        }
        for (int row = 0; row < length; row++) {
            long to = (first + row) * s.queries() + (long) (item % parts) * share;
            HeapRows.store(l.now.y(), row * share, a.attended(), a.type(), to, share);
        }
    }

    /** Whether rows of queries, keys and values, and of results, this far apart are what {@link #forward} in arrays takes. */
    boolean takes(int qkvStride, int resultStride) {
        return qkvStride == s.mapped() && resultStride == s.queries();
    }

    /** A whole sequence's results from its queries, keys and values, which turn where they stand. */
    void forward(int lane, Activations a, int sequence, Gemm.Rows qkv, Gemm.Rows y) {
        PartClock.Part before = PartClock.enter(PartClock.Part.ATTENTION);
        AttentionArrays now = lanes[lane].now;
        if (s.rotary()) {
            rotate(qkv, a, sequence, 1);
        }
        now.rows.forward(qkv.data(), qkv.at(), y.data(), y.at(), a.length(sequence));
        PartClock.leave(before);
    }

    /** The gradient of a whole sequence's queries, keys and values, given that of its results. */
    void backward(int lane, Activations a, int sequence, Gemm.Rows dy, Gemm.Rows dQkv) {
        PartClock.Part before = PartClock.enter(PartClock.Part.ATTENTION);
        AttentionArrays now = lanes[lane].now;
        gather(lanes[lane], a, sequence);
        now.rows.backward(now.qkv, 0, dy.data(), dy.at(), dQkv.data(), dQkv.at(), a.length(sequence));
        if (s.rotary()) {
            rotate(dQkv, a, sequence, -1);
        }
        PartClock.leave(before);
    }

    /** The gradient of an item's queries, keys and values, given that of its results. */
    void backward(int lane, Activations a, Scratch scratch, int item) {
        PartClock.Part before = PartClock.enter(PartClock.Part.ATTENTION);
        attendBackward(lane, a, scratch, item);
        PartClock.leave(before);
    }

    private void attendBackward(int lane, Activations a, Scratch scratch, int item) {
        Lane l = lanes[lane];
        gather(l, a, item);
        int share = l.now.rows.outputStride;
        int sequence = item / parts;
        int length = a.length(sequence);
        long first = a.starts()[sequence];
        if (parts == 1) {
            HeapRows.load(scratch.dAttended(), a.type(), first * share, l.now.dy(), 0, length * share);
        }
        for (int row = 0; row < length && parts > 1; row++) {
            long from = (first + row) * s.queries() + (long) (item % parts) * share;
            HeapRows.load(scratch.dAttended(), a.type(), from, l.now.dy(), row * share, share);
        }
        l.now.rows.backward(l.now.qkv, 0, l.now.dy(), 0, l.now.dQkv(), 0, length);
        if (s.rotary()) {
            rotate(new Gemm.Rows(l.now.dQkv(), 0, l.now.rows.stride), a, sequence, -1);
        }
        pieces(
                l,
                item,
                a,
                (at, element, count) -> HeapRows.store(l.now.dQkv(), at, scratch.dQkv(), a.type(), element, count));
    }

    private void gather(Lane l, Activations a, int item) {
        pieces(l, item, a, (at, element, count) -> HeapRows.load(a.qkv(), a.type(), element, l.now.qkv, at, count));
        if (s.rotary()) {
            rotate(new Gemm.Rows(l.now.qkv, 0, l.now.rows.stride), a, item / parts, 1);
        }
    }

    @FunctionalInterface
    private interface Piece {
        void at(int at, long element, int count);
    }

    /** The item's queries, keys and values of each row: where they stand in its array, and in the tensor of all. */
    private void pieces(Lane l, int item, Activations a, Piece piece) {
        int part = item % parts;
        int length = a.length(item / parts);
        long first = a.starts()[item / parts];
        int queries = s.queries() / parts;
        int keys = s.keys() / parts;
        if (parts == 1) {
            piece.at(0, first * s.mapped(), length * s.mapped());
            return;
        }
        for (int row = 0; row < length; row++) {
            long element = (first + row) * s.mapped();
            int at = row * l.now.rows.stride;
            piece.at(at, element + (long) part * queries, queries);
            piece.at(at + queries, element + s.queries() + (long) part * keys, keys);
            piece.at(at + queries + keys, element + s.queries() + s.keys() + (long) part * keys, keys);
        }
    }

    /** Turns the queries and keys of a sequence, or of a share of its heads. */
    private void rotate(Gemm.Rows rows, Activations a, int sequence, float direction) {
        float[] qkv = rows.data();
        int length = a.length(sequence);
        int firstAngle = a.ownAngles() ? a.starts()[sequence] : 0;
        int half = s.headWidth() / 2;
        int heads = (s.heads() + s.keyValueHeads()) / parts;
        for (int row = 0; row < length; row++) {
            int angle = (firstAngle + row) * half;
            for (int h = 0; h < heads; h++) {
                int at = rows.at() + row * rows.stride() + h * s.headWidth();
                for (int i = 0; i < half; i++) {
                    float c = cos[angle + i];
                    float n = direction * sin[angle + i];
                    float x = qkv[at + i];
                    float y = qkv[at + half + i];
                    qkv[at + i] = x * c - y * n;
                    qkv[at + half + i] = y * c + x * n;
                }
            }
        }
    }
}
