package quern.tensor.kernel;

import java.util.Arrays;
import quern.tensor.kernel.DecoderBlockKernel.Activations;
import quern.tensor.kernel.DecoderBlockKernel.Scratch;
import quern.tensor.kernel.DecoderBlockKernel.Shape;

/**
 * Attention of a decoder block between its queries, keys and values and its results, all in native memory. The work comes in
 * numbered items, each a sequence or its share of a sequence's key-value heads, and is done in arrays that each lane keeps.
 * Where sequences go on from others an item is a key-value head over all of them, since their gradients meet.
 */
final class BlockAttention {
    /** What a token's attention costs beside its scores, in keys. */
    private static final int STEP_COST = 64;

    private final Shape s;
    private final Lane[] lanes;
    private float[] cos = {};
    private float[] sin = {};
    private int parts;
    private boolean branched;

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
        private float[] seen;
        private float[] dSeen;

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

        /** Room for the rows of all tokens that a sequence sees, where it goes on from others, and for their gradient. */
        void prepareSeen() {
            if (seen == null) {
                seen = new float[qkv.length];
                dSeen = new float[qkv.length];
            }
        }
    }

    BlockAttention(Shape shape, int count) {
        s = shape;
        lanes = new Lane[count];
        for (int i = 0; i < count; i++) {
            lanes[i] = new Lane();
        }
    }

    /**
     * Makes room for the sequences; items are whole sequences, or else one for each key-value head of each, or of all where
     * sequences go on from others.
     */
    void prepare(Activations a, boolean whole) {
        Sequences sequences = a.sequences();
        branched = sequences.areBranched();
        parts = whole && !branched ? 1 : s.keyValueHeads();
        int longest = sequences.longest();
        for (Lane l : lanes) {
            l.prepare(branched ? Math.max(longest, a.tokens()) : longest, s.heads() / parts, s.keyValueHeads() / parts);
            if (branched) {
                l.now.prepareSeen();
            }
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
        int count = branched ? parts : a.sequences().count() * parts;
        int[] items = KernelThreads.evenShares(count, lanes.length, item -> {
            long length = tokens(a, item);
            return length * (length + STEP_COST);
        });
        KernelThreads.run(lanes.length, lane -> {
            for (int item = items[lane]; item < items[lane + 1]; item++) {
                task.run(lane, item);
            }
        });
    }

    /** The first token of an item. */
    private int first(Activations a, int item) {
        return branched ? 0 : a.start(item / parts);
    }

    /** The tokens of an item. */
    private int tokens(Activations a, int item) {
        return branched ? a.tokens() : a.length(item / parts);
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
        int length = tokens(a, item);
        if (branched) {
            attendBranched(l.now, a.sequences());
        } else {
            l.now.rows.forward(l.now.qkv, 0, l.now.y(), 0, length);
        }
        int share = l.now.rows.outputStride;
        long first = first(a, item);
        if (parts == 1) {
            HeapRows.store(l.now.y(), 0, a.attended(), a.type(), first * share, length * share);
            return;
        }
        for (int row = 0; row < length; row++) {
            long to = (first + row) * s.queries() + (long) (item % parts) * share;
            HeapRows.store(l.now.y(), row * share, a.attended(), a.type(), to, share);
        }
    }

    private static void attendBranched(AttentionArrays now, Sequences sequences) {
        int share = now.rows.outputStride;
        for (int i = 0; i < sequences.count(); i++) {
            int past = sequences.past(i);
            // As if the results of the tokens before stood there too; none of those is written.
            int yAt = (sequences.starts()[i] - past) * share;
            gatherSeen(now, sequences, i, past);
            now.rows.forward(now.seen, 0, now.y(), yAt, past, past + sequences.length(i));
        }
    }

    /** The rows that a sequence sees, those it goes on from first. */
    private static void gatherSeen(AttentionArrays now, Sequences sequences, int sequence, int past) {
        int stride = now.rows.stride;
        int end = past + sequences.length(sequence);
        for (int i = sequence; i >= 0; i = sequences.before(i)) {
            int length = sequences.length(i);
            end -= length;
            System.arraycopy(now.qkv, sequences.starts()[i] * stride, now.seen, end * stride, length * stride);
        }
    }

    private static void attendBackwardBranched(AttentionArrays now, Sequences sequences) {
        int share = now.rows.outputStride;
        int stride = now.rows.stride;
        Arrays.fill(now.dQkv(), 0, sequences.tokens() * stride, 0);
        for (int i = 0; i < sequences.count(); i++) {
            int past = sequences.past(i);
            gatherSeen(now, sequences, i, past);
            int dyAt = (sequences.starts()[i] - past) * share;
            now.rows.backward(now.seen, 0, now.dy(), dyAt, now.dSeen, 0, past, past + sequences.length(i));
            addSeen(now, sequences, i, past);
        }
    }

    /** Adds a sequence's gradient to that of all rows: of what it goes on from, it has keys' and values' alone. */
    private static void addSeen(AttentionArrays now, Sequences sequences, int sequence, int past) {
        float[] dQkv = now.dQkv();
        int stride = now.rows.stride;
        int end = past + sequences.length(sequence);
        for (int i = sequence; i >= 0; i = sequences.before(i)) {
            int length = sequences.length(i);
            end -= length;
            int from = i == sequence ? 0 : now.rows.outputStride;
            for (int row = 0; row < length; row++) {
                int to = (sequences.starts()[i] + row) * stride;
                int at = (end + row) * stride;
                for (int column = from; column < stride; column++) {
                    dQkv[to + column] += now.dSeen[at + column];
                }
            }
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
            rotate(qkv, a, a.start(sequence), a.length(sequence), 1);
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
            rotate(dQkv, a, a.start(sequence), a.length(sequence), -1);
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
        int length = tokens(a, item);
        long first = first(a, item);
        if (parts == 1) {
            HeapRows.load(scratch.dAttended(), a.type(), first * share, l.now.dy(), 0, length * share);
        }
        for (int row = 0; row < length && parts > 1; row++) {
            long from = (first + row) * s.queries() + (long) (item % parts) * share;
            HeapRows.load(scratch.dAttended(), a.type(), from, l.now.dy(), row * share, share);
        }
        if (branched) {
            attendBackwardBranched(l.now, a.sequences());
        } else {
            l.now.rows.backward(l.now.qkv, 0, l.now.dy(), 0, l.now.dQkv(), 0, length);
        }
        if (s.rotary()) {
            rotate(new Gemm.Rows(l.now.dQkv(), 0, l.now.rows.stride), a, first(a, item), length, -1);
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
            rotate(new Gemm.Rows(l.now.qkv, 0, l.now.rows.stride), a, first(a, item), tokens(a, item), 1);
        }
    }

    @FunctionalInterface
    private interface Piece {
        void at(int at, long element, int count);
    }

    /** The item's queries, keys and values of each row: where they stand in its array, and in the tensor of all. */
    private void pieces(Lane l, int item, Activations a, Piece piece) {
        int part = item % parts;
        int length = tokens(a, item);
        long first = first(a, item);
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

    /** Turns the queries and keys of rows from a token on, all heads or a share of them. */
    private void rotate(Gemm.Rows rows, Activations a, int first, int length, float direction) {
        float[] qkv = rows.data();
        int firstAngle = a.ownAngles() ? first : 0;
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
