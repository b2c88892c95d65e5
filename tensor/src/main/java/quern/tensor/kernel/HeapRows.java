package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** Rows of a tensor between native memory, in its own type, and fp32 arrays. */
final class HeapRows {
    private HeapRows() {}

    /** Copies {@code count} elements from element {@code from} on. */
    static void load(MemorySegment source, ElementType type, long from, float[] target, int at, int count) {
        if (type == ElementType.FP32) {
            MemorySegment.copy(source, ValueLayout.JAVA_FLOAT_UNALIGNED, from * Float.BYTES, target, at, count);
            return;
        }
        int i = 0;
        for (; i + Lanes.COUNT <= count; i += Lanes.COUNT) {
            Lanes.loadBf16(source, (from + i) * Short.BYTES).intoArray(target, at + i);
        }
        for (; i < count; i++) {
            target[at + i] = Lanes.get(source, type, from + i);
        }
    }

    /**
     * Copies {@code rows} rows of {@code width}, {@code stride} apart in the array. Columns behind them become zero: what was
     * computed there from a row that is not finite must not reach the next one.
     */
    static void load(
            MemorySegment source, ElementType type, long firstRow, float[] target, int rows, int width, int stride) {
        if (width == stride) {
            load(source, type, firstRow * width, target, 0, rows * width);
            return;
        }
        for (int row = 0; row < rows; row++) {
            load(source, type, (firstRow + row) * width, target, row * stride, width);
            Arrays.fill(target, row * stride + width, (row + 1) * stride, 0);
        }
    }

    /** Copies {@code count} elements to element {@code to} on, rounded to nearest where the type is narrower. */
    static void store(float[] source, int at, MemorySegment target, ElementType type, long to, int count) {
        if (type == ElementType.FP32) {
            MemorySegment.copy(source, at, target, ValueLayout.JAVA_FLOAT_UNALIGNED, to * Float.BYTES, count);
            return;
        }
        int i = 0;
        for (; i + Lanes.COUNT <= count; i += Lanes.COUNT) {
            Lanes.storeBf16(Lanes.load(source, at + i), target, (to + i) * Short.BYTES);
        }
        for (; i < count; i++) {
            Lanes.set(target, type, to + i, source[at + i]);
        }
    }

    /** Copies {@code rows} rows of {@code width}, {@code stride} apart in the array. */
    static void store(
            float[] source, MemorySegment target, ElementType type, long firstRow, int rows, int width, int stride) {
        if (width == stride) {
            store(source, 0, target, type, firstRow * width, rows * width);
            return;
        }
        for (int row = 0; row < rows; row++) {
            store(source, row * stride, target, type, (firstRow + row) * width, width);
        }
    }

    /** {@code to += what} for the first {@code n} elements, which are whole vectors. */
    static void add(float[] to, float[] what, int n) {
        for (int i = 0; i < n; i += Lanes.COUNT) {
            Lanes.load(to, i).add(Lanes.load(what, i)).intoArray(to, i);
        }
    }

    /**
     * Adds up the lanes' sums in order, {@code count} of them from {@code from} on, and writes them in fp32.
     *
     * @param target may be null where they are not wanted
     * @param at the element of the target where they go
     * @param added whether they are added to what is there
     */
    static void storeSums(float[][] lanes, int from, MemorySegment target, long at, int count, boolean added) {
        if (target == null) {
            return;
        }
        int i = 0;
        for (; i + Lanes.COUNT <= count; i += Lanes.COUNT) {
            FloatVector sum = FloatVector.zero(Lanes.FLOATS);
            for (float[] lane : lanes) {
                sum = sum.add(Lanes.load(lane, from + i));
            }
            long to = (at + i) * Float.BYTES;
            Lanes.storeFloats(added ? sum.add(Lanes.loadFloats(target, to)) : sum, target, to);
        }
        for (; i < count; i++) {
            float sum = 0;
            for (float[] lane : lanes) {
                sum += lane[from + i];
            }
            long to = (at + i) * Float.BYTES;
            if (added) {
                sum += target.get(ValueLayout.JAVA_FLOAT_UNALIGNED, to);
            }
            target.set(ValueLayout.JAVA_FLOAT_UNALIGNED, to, sum);
        }
    }
}
