package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;

/** The sum of squares of a gradient, for clipping by norm and for the guard against non-finite values. */
public final class NormKernel {
    private NormKernel() {}

    /**
     * The sum of squares, in double. Elements are summed in blocks of a fixed size and the blocks in order, so the result
     * has the same bits for any number of threads. The square of any finite float is far below double's limit: the sum is
     * finite if and only if every element is.
     *
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IllegalArgumentException when the segment is too short
     */
    public static double sumOfSquares(MemorySegment gradient, ElementType type, long elements) {
        Kernels.require();
        Kernels.checkHolds("gradient", gradient, elements, type.bytes());
        double[] blockSums = new double[Blocks.count(elements)];
        Blocks.run(elements, (block, begin, end) -> blockSums[block] = Loops.block(gradient, type, begin, end));
        double sum = 0;
        for (double blockSum : blockSums) {
            sum += blockSum;
        }
        return sum;
    }

    /** The sum of squares of the fp32 elements from {@code begin} to {@code end}, on this thread. */
    static double sumOfSquares(MemorySegment values, long begin, long end) {
        return Loops.block(values, ElementType.FP32, begin, end);
    }

    /** The sum of squares of the first elements, which are whole vectors. */
    static double sumOfSquares(float[] values, int length) {
        return Loops.array(values, length);
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loops {
        static double block(MemorySegment gradient, ElementType type, long begin, long end) {
            long vectorEnd = begin + (end - begin) / Lanes.COUNT * Lanes.COUNT;
            DoubleVector sums =
                    type == ElementType.BF16 ? bf16(gradient, begin, vectorEnd) : floats(gradient, begin, vectorEnd);
            double sum = Lanes.sum(sums);
            for (long i = vectorEnd; i < end; i++) {
                double value = Lanes.get(gradient, type, i);
                sum = Math.fma(value, value, sum);
            }
            return sum;
        }

        private static DoubleVector bf16(MemorySegment gradient, long begin, long end) {
            DoubleVector low = DoubleVector.zero(Lanes.DOUBLES);
            DoubleVector high = DoubleVector.zero(Lanes.DOUBLES);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector value = Lanes.loadBf16(gradient, i * 2);
                low = Lanes.addSquares(low, value, 0);
                high = Lanes.addSquares(high, value, 1);
            }
            return low.add(high);
        }

        private static DoubleVector floats(MemorySegment gradient, long begin, long end) {
            DoubleVector low = DoubleVector.zero(Lanes.DOUBLES);
            DoubleVector high = DoubleVector.zero(Lanes.DOUBLES);
            for (long i = begin; i < end; i += Lanes.COUNT) {
                FloatVector value = Lanes.loadFloats(gradient, i * 4);
                low = Lanes.addSquares(low, value, 0);
                high = Lanes.addSquares(high, value, 1);
            }
            return low.add(high);
        }

        static double array(float[] values, int length) {
            DoubleVector low = DoubleVector.zero(Lanes.DOUBLES);
            DoubleVector high = DoubleVector.zero(Lanes.DOUBLES);
            for (int i = 0; i < length; i += Lanes.COUNT) {
                FloatVector value = Lanes.load(values, i);
                low = Lanes.addSquares(low, value, 0);
                high = Lanes.addSquares(high, value, 1);
            }
            return Lanes.sum(low.add(high));
        }
    }
}
