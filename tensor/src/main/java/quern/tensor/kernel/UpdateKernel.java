package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A step of an optimizer in one pass over memory: reads the gradient, updates the fp32 weights and the state, and writes
 * the bf16 weights that the model computes with.
 */
public final class UpdateKernel {
    /** Elements that are decoded and encoded together: whole blocks of coded state. */
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
        Loops.step(memory, begin, end, scale, update);
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loops {
        static void step(Memory memory, long begin, long end, float scale, Update update) {
            if (!memory.coded().isEmpty()) {
                byTiles(memory, begin, end, TILE, scale, update);
                return;
            }
            long vectorEnd = begin + (end - begin) / Lanes.COUNT * Lanes.COUNT;
            update.apply(new UpdateStreams(memory, scale), begin, vectorEnd);
            if (vectorEnd < end) {
                byTiles(memory, vectorEnd, end, Lanes.COUNT, scale, update);
            }
        }

        private static void byTiles(Memory memory, long begin, long end, int size, float scale, Update update) {
            UpdateTile tile = new UpdateTile(memory, size, scale, update);
            for (long at = begin; at < end; at += size) {
                tile.step(at, (int) Math.min(size, end - at));
            }
        }
    }
}
