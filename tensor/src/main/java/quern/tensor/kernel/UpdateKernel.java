package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;

/**
 * A step of an optimizer in one pass over memory: reads the gradient, updates the fp32 weights and the state, and writes
 * the bf16 weights that the model computes with.
 */
public final class UpdateKernel {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;

    /** Elements of a tile; a multiple of every vector length, at most 28 KB in all for four buffers. */
    static final int TILE = 1024;

    private UpdateKernel() {}

    /**
     * Where the numbers of a parameter lie, all in one order.
     *
     * @param gradient of {@code gradientType}, read only
     * @param weight the fp32 weights
     * @param buffers the fp32 state
     * @param coded the state in 8 bits; an update sees it, decoded, behind {@code buffers}
     * @param narrow bf16 weights, overwritten with the rounded weight (to nearest, ties to even); null when the model
     *     computes with the weight itself
     * @param elements how many there are
     */
    public record Memory(
            MemorySegment gradient,
            ElementType gradientType,
            MemorySegment weight,
            List<MemorySegment> buffers,
            List<CodedBuffer> coded,
            MemorySegment narrow,
            long elements) {
        /** Memory without state in 8 bits. */
        public Memory(
                MemorySegment gradient,
                ElementType gradientType,
                MemorySegment weight,
                List<MemorySegment> buffers,
                MemorySegment narrow,
                long elements) {
            this(gradient, gradientType, weight, buffers, List.of(), narrow, elements);
        }

        /**
         * Checks the lengths.
         *
         * @throws IllegalArgumentException when a segment is too short, or read-only where the kernel writes
         */
        public Memory {
            Kernels.checkHolds("gradient", gradient, elements, gradientType.bytes());
            Kernels.checkWritable("weight", weight, elements, Float.BYTES);
            buffers = List.copyOf(buffers);
            for (MemorySegment buffer : buffers) {
                Kernels.checkWritable("buffer", buffer, elements, Float.BYTES);
            }
            coded = List.copyOf(coded);
            coded.forEach(buffer -> buffer.check(elements));
            if (narrow != null) {
                Kernels.checkWritable("narrow weight", narrow, elements, Short.BYTES);
            }
        }
    }

    /**
     * Updates {@code length} elements from {@code begin} on, on the calling thread. Elements do not touch each other, so
     * several threads may work on one parameter.
     *
     * @param begin where state is coded, the begin of a block
     * @param scale factor on the gradient before all else: clipping, or the inverse of a loss scale
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IndexOutOfBoundsException when the elements are not all inside the memory
     */
    public static void step(Memory memory, long begin, long length, float scale, Update update) {
        Kernels.require();
        long end = begin + length;
        if (begin < 0 || length < 0 || end > memory.elements()) {
            throw new IndexOutOfBoundsException("elements %d to %d of %d".formatted(begin, end, memory.elements()));
        }
        if (!memory.coded().isEmpty() && begin % CodedBuffer.BLOCK != 0) {
            throw new IndexOutOfBoundsException("element %d begins no block".formatted(begin));
        }
        Tile tile = new Tile(memory, scale, update);
        for (long at = begin; at < end; at += TILE) {
            int count = (int) Math.min(TILE, end - at);
            tile.load(at, count);
            update.apply(tile.gradient, tile.w, tile.buffers, count);
            tile.store(at, count);
        }
    }

    /**
     * A stretch of each array in the first cache. The compiler puts a barrier around every vector access to native memory
     * and so looks the segment up again each time; copying a tile in and out by whole stretches costs less.
     *
     * <p>Apart from the outer class, which must load where the Vector API is missing.
     */
    private static final class Tile {
        private final Memory memory;
        private final Update update;
        final TileGradient gradient;
        private final short[] weight16;
        final float[] w = new float[TILE];
        final float[][] buffers;
        private final int wide;
        private final CodedBuffer.Coder coder;

        Tile(Memory memory, float scale, Update update) {
            this.memory = memory;
            this.update = update;
            gradient = new TileGradient(memory.gradientType(), scale);
            weight16 = memory.narrow() != null ? new short[TILE] : null;
            wide = memory.buffers().size();
            buffers = new float[wide + memory.coded().size()][TILE];
            coder = memory.coded().isEmpty() ? null : new CodedBuffer.Coder();
        }

        void load(long at, int length) {
            if (length < TILE) {
                clearTails(length);
            }
            if (update.readsGradient()) {
                gradient.load(memory.gradient(), at, length);
            }
            MemorySegment.copy(memory.weight(), FLOAT, at * 4, w, 0, length);
            for (int i = 0; i < wide; i++) {
                MemorySegment.copy(memory.buffers().get(i), FLOAT, at * 4, buffers[i], 0, length);
            }
            for (int i = wide; i < buffers.length; i++) {
                coder.decode(memory.coded().get(i - wide), buffers[i], at, length);
            }
        }

        private void clearTails(int length) {
            Arrays.fill(w, length, TILE, 0);
            for (float[] buffer : buffers) {
                Arrays.fill(buffer, length, TILE, 0);
            }
        }

        void store(long at, int length) {
            if (update.writesBuffers()) {
                for (int i = 0; i < wide; i++) {
                    MemorySegment.copy(buffers[i], 0, memory.buffers().get(i), FLOAT, at * 4, length);
                }
                for (int i = wide; i < buffers.length; i++) {
                    coder.encode(memory.coded().get(i - wide), buffers[i], at, length);
                }
            }
            if (update.writesWeight()) {
                MemorySegment.copy(w, 0, memory.weight(), FLOAT, at * 4, length);
                if (weight16 != null) {
                    round(w, weight16);
                    MemorySegment.copy(weight16, 0, memory.narrow(), SHORT, at * 2, length);
                }
            }
        }

        private static void round(float[] from, short[] to) {
            for (int i = 0; i < TILE; i += Lanes.COUNT) {
                Lanes.toBf16(Lanes.load(from, i)).intoArray(to, i);
            }
        }
    }
}
