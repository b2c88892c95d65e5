package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/** Adds a gradient to its fp32 accumulator. */
public final class AccumulateKernel {
    private AccumulateKernel() {}

    /**
     * {@code accumulator[i] += scale * addend[i]}, in one rounding (fused multiply-add).
     *
     * @param accumulator fp32, read and written
     * @param addend of the type given; may not overlap the accumulator
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IllegalArgumentException when a segment is too short
     */
    public static void add(
            MemorySegment accumulator, MemorySegment addend, ElementType addendType, long elements, float scale) {
        Kernels.require();
        Kernels.checkWritable("accumulator", accumulator, elements, Float.BYTES);
        Kernels.checkHolds("addend", addend, elements, addendType.bytes());
        Blocks.run(elements, (block, begin, end) -> {
            long vectorEnd;
            if (addendType == ElementType.BF16) {
                vectorEnd = Loops.bf16(accumulator, addend, begin, end, scale);
            } else {
                vectorEnd = Loops.floats(accumulator, addend, begin, end, scale);
            }
            for (long i = vectorEnd; i < end; i++) {
                float sum = accumulator.get(ValueLayout.JAVA_FLOAT_UNALIGNED, i * 4);
                accumulator.set(
                        ValueLayout.JAVA_FLOAT_UNALIGNED,
                        i * 4,
                        Math.fma(Lanes.get(addend, addendType, i), scale, sum));
            }
        });
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loops {
        static long bf16(MemorySegment accumulator, MemorySegment addend, long begin, long end, float scale) {
            long i = begin;
            for (; i + Lanes.COUNT <= end; i += Lanes.COUNT) {
                addTo(accumulator, i * 4, Lanes.loadBf16(addend, i * 2), scale);
            }
            return i;
        }

        static long floats(MemorySegment accumulator, MemorySegment addend, long begin, long end, float scale) {
            long i = begin;
            for (; i + Lanes.COUNT <= end; i += Lanes.COUNT) {
                addTo(accumulator, i * 4, Lanes.loadFloats(addend, i * 4), scale);
            }
            return i;
        }

        private static void addTo(MemorySegment accumulator, long offset, FloatVector value, float scale) {
            value.fma(FloatVector.broadcast(Lanes.FLOATS, scale), Lanes.loadFloats(accumulator, offset))
                    .intoMemorySegment(accumulator, offset, Lanes.ORDER);
        }
    }
}
