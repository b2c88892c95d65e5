package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A pre-norm decoder block, {@code x += attention(norm(x)); x += feedForward(norm(x))}, forward and backward in one piece: rows
 * of tokens go through all of a part while they are in the cache, products and element-wise work alike, and only what the
 * backward can't cheaply make again is written out. Arithmetic is in fp32 whatever the storage.
 *
 * <p>Rows are divided among the kernel threads in fixed shares, each with its own sums of weight gradients, which are added in
 * order: the same count of threads gives the same bits.
 *
 * <p>Letters: N = B·T tokens, D width, Q queries' and K keys' features, F inner features.
 */
public final class DecoderBlockKernel {
    /** Tokens that go through a part together. */
    static final int TILE = 128;

    /** As {@link #TILE} for wide blocks, whose weights and gradients come from memory once a tile. */
    static final int WIDE_TILE = 512;

    /** Weights from which on a block is wide. */
    private static final long WIDE = 4_000_000;

    private DecoderBlockKernel() {}

    /**
     * What the block is. The scale of scores must be positive.
     *
     * @param centred layer norm; otherwise root-mean-square norm
     * @param rotary heads turn, halves paired
     * @param inner F
     */
    public record Shape(
            int width,
            int heads,
            int keyValueHeads,
            int headWidth,
            double scale,
            boolean rotary,
            boolean centred,
            double attentionEps,
            double feedForwardEps,
            int inner,
            boolean gated,
            BlockActivation activation) {
        int queries() {
            return heads * headWidth;
        }

        int keys() {
            return keyValueHeads * headWidth;
        }

        int mapped() {
            return queries() + 2 * keys();
        }

        int up() {
            return gated ? 2 * inner : inner;
        }

        /** Tokens of this block that go through a part together. */
        int tile() {
            long weights = (long) width * (mapped() + up()) + (long) (queries() + inner) * width;
            return weights < WIDE ? TILE : WIDE_TILE;
        }

        /** Floats of a thread's arrays for a tile of rows, about. */
        public long tileFloats() {
            int widest = Math.max(Math.max(width, mapped()), Math.max(up(), inner));
            return (long) tile() * (3 * width + mapped() + queries() + up() + inner + 2 * widest);
        }
    }

    /**
     * A linear map's memory, or that of its gradient (fp32), where null means not there or not wanted.
     *
     * @param weight [out, in]
     * @param bias [out]
     */
    public record Slot(MemorySegment weight, MemorySegment bias, int out) {}

    /**
     * A norm's memory, or that of its gradient.
     *
     * @param weight [D]
     * @param bias [D], or null
     */
    public record NormSlot(MemorySegment weight, MemorySegment bias) {}

    /**
     * The block's weights or their gradients.
     *
     * @param inputs one slot with queries, keys and values, or three
     * @param ups the slot of the inner features, after that of the gate where gated
     */
    public record Weights(
            NormSlot attentionNorm,
            List<Slot> inputs,
            Slot output,
            NormSlot feedForwardNorm,
            List<Slot> ups,
            Slot down) {}

    /**
     * What a visit reads and writes, all contiguous and of one type. The tokens are sequences one behind another, of any
     * lengths; each attends within itself and what it goes on from.
     *
     * @param sequences N tokens; where some go on from others, every token has its own row of the tables
     * @param x [N, D], read
     * @param qkv [N, Q+2K], written by the forward, read by the backward; means nothing after a forward that keeps nothing
     * @param attended [N, Q], likewise
     * @param middle [N, D] the residual stream between the parts, likewise; null where the forward keeps nothing
     * @param inner [N, F], or [N, 2F] where gated: before the activation, likewise; null with {@code middle}
     * @param ownAngles whether every token has its own row of the tables; otherwise a sequence's first token has the first
     * @param cos [N, head/2], or [T, head/2] for sequences of at most T tokens, in the same type; null without rotary
     */
    public record Activations(
            ElementType type,
            Sequences sequences,
            MemorySegment x,
            MemorySegment qkv,
            MemorySegment attended,
            MemorySegment middle,
            MemorySegment inner,
            boolean ownAngles,
            MemorySegment cos,
            MemorySegment sin) {
        /** Whether a backward will come. */
        boolean areKept() {
            return middle != null;
        }

        int tokens() {
            return sequences.tokens();
        }

        int start(int sequence) {
            return sequences.starts()[sequence];
        }

        int length(int sequence) {
            return sequences.length(sequence);
        }
    }

    /**
     * The block's result.
     *
     * @param y [N, D], written
     */
    public static void forward(Shape shape, Weights weights, Activations a, MemorySegment y) {
        Kernels.require();
        try (BlockWorkspace w = BlockWorkspace.take(shape, biased(weights))) {
            w.loadForward(weights, a);
            w.run(
                    a,
                    (lane, first, rows) -> w.forwardInputs(lane, a, first, rows),
                    (lane, item) -> w.attend(lane, a, item),
                    (lane, first, rows) -> w.forwardRest(lane, a, y, first, rows));
        }
    }

    /**
     * The gradients, given that of the result.
     *
     * @param dy [N, D], read
     * @param dx [N, D], written
     * @param scratch [N, D], [N, Q] and [N, Q+2K], written
     * @param gradients where the weights' go
     * @param added whether they are added to what is there; otherwise it is overwritten
     */
    public static void backward(
            Shape shape,
            Weights weights,
            Activations a,
            MemorySegment dy,
            MemorySegment dx,
            Scratch scratch,
            Weights gradients,
            boolean added) {
        Kernels.require();
        try (BlockWorkspace w = BlockWorkspace.take(shape, biased(weights))) {
            w.loadBackward(weights, gradients, a);
            w.run(
                    a,
                    (lane, first, rows) -> w.backwardRest(lane, a, dy, scratch, first, rows),
                    (lane, item) -> w.attendBackward(lane, a, scratch, item),
                    (lane, first, rows) -> w.backwardInputs(lane, a, scratch, dx, first, rows));
            w.store(gradients, added);
        }
    }

    /** What the backward needs between its parts, of the activations' type. */
    public record Scratch(MemorySegment dMiddle, MemorySegment dAttended, MemorySegment dQkv) {}

    private static List<Boolean> biased(Weights w) {
        List<Boolean> result = new ArrayList<>();
        for (Slot slot : List.of(w.inputs.getFirst(), w.output, w.ups.getFirst(), w.down)) {
            result.add(slot.bias != null);
        }
        return result;
    }
}
