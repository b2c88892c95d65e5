package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** Lookups in an embedding's table, and its gradient: only rows that were looked up are read or written. */
public final class EmbeddingKernel {
    /** Rows a block: enough work to hand out, and enough blocks to share. */
    private static final int ROWS = 32;

    private EmbeddingKernel() {}

    /**
     * A table's gradient or the cotangents of lookups: rows of {@code width} elements without gaps.
     *
     * @param rows how many
     */
    public record Rows(MemorySegment memory, ElementType type, long rows, int width) {}

    /**
     * {@code result[n] = factor * table[ids[n]]} for every n, or {@code +=}; the product is rounded before the sum.
     *
     * @param table fp32
     * @param ids int64, one a row of the result
     * @param result fp32
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IllegalArgumentException when a segment is too short, the widths differ, or an id is no row
     */
    public static void lookup(Rows table, MemorySegment ids, float factor, Rows result, boolean added) {
        Kernels.require();
        int width = table.width;
        if (result.width != width) {
            throw new IllegalArgumentException(
                    "the result has %d elements, the table's rows %d".formatted(result.width, width));
        }
        if (table.type != ElementType.FP32 || result.type != ElementType.FP32) {
            throw new IllegalArgumentException("%s to %s, expected fp32".formatted(table.type, result.type));
        }
        Kernels.checkHolds("table", table.memory, table.rows * width, Float.BYTES);
        Kernels.checkWritable("result", result.memory, result.rows * width, Float.BYTES);
        Kernels.checkHolds("ids", ids, result.rows, Long.BYTES);
        KernelThreads.tiles(Math.toIntExact(result.rows), KernelThreads.count(), ROWS, (lane, first, rows) -> {
            for (int i = first; i < first + rows; i++) {
                long id = id(ids, i, table.rows);
                Loops.copyRow(table.memory, id * width, factor, result.memory, (long) i * width, width, added);
            }
        });
    }

    private static long id(MemorySegment ids, int at, long rows) {
        long id = ids.get(ValueLayout.JAVA_LONG_UNALIGNED, (long) at * Long.BYTES);
        if (id < 0 || id >= rows) {
            throw new IllegalArgumentException("id %d at %d, expected 0 to %d".formatted(id, at, rows - 1));
        }
        return id;
    }

    /**
     * {@code gradient[ids[n]] += factor * lookups[n]} for every n. A row's lookups are summed in fp32, in their order, and
     * rounded once into the row's type, so the result has the same bits for any number of threads.
     *
     * @param ids int64, one a lookup
     * @param skipped lookups of this row add nothing; negative for none
     * @throws quern.recipe.QuernException failed when the kernels are not available
     * @throws IllegalArgumentException when a segment is too short, the widths differ, or an id is no row
     */
    public static void add(Rows gradient, MemorySegment ids, Rows lookups, float factor, long skipped) {
        Kernels.require();
        int width = gradient.width;
        if (lookups.width != width) {
            throw new IllegalArgumentException(
                    "lookups have %d elements, the gradient's rows %d".formatted(lookups.width, width));
        }
        Kernels.checkWritable("gradient", gradient.memory, gradient.rows * width, gradient.type.bytes());
        Kernels.checkHolds("lookups", lookups.memory, lookups.rows * width, lookups.type.bytes());
        Kernels.checkHolds("ids", ids, lookups.rows, Long.BYTES);
        long[] order = order(ids, Math.toIntExact(lookups.rows), gradient.rows, skipped);
        int[] starts = starts(order);
        int groups = starts.length - 1;
        KernelThreads.run(Math.ceilDiv(groups, ROWS), block -> {
            for (int group = block * ROWS; group < Math.min(groups, (block + 1) * ROWS); group++) {
                Loops.addRow(gradient, lookups, order, starts[group], starts[group + 1], factor);
            }
        });
    }

    /** Ids and their places, as {@code id << 32 | place}, sorted: by id, then by place. */
    private static long[] order(MemorySegment ids, int count, long rows, long skipped) {
        if (rows > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("%d rows, at most %d fit".formatted(rows, Integer.MAX_VALUE));
        }
        long[] order = new long[count];
        int n = 0;
        for (int i = 0; i < count; i++) {
            long id = id(ids, i, rows);
            if (id != skipped) {
                order[n++] = id << 32 | i;
            }
        }
        long[] found = n == count ? order : Arrays.copyOf(order, n);
        Arrays.sort(found);
        return found;
    }

    /** Where each id's lookups begin, and the end. */
    private static int[] starts(long[] order) {
        int[] starts = new int[order.length + 1];
        int n = 0;
        for (int i = 0; i < order.length; i++) {
            if (i == 0 || order[i] >>> 32 != order[i - 1] >>> 32) {
                starts[n++] = i;
            }
        }
        starts[n] = order.length;
        return Arrays.copyOf(starts, n + 1);
    }

    /** Apart from the outer class, which must load where the Vector API is missing. */
    private static final class Loops {
        static void copyRow(
                MemorySegment table, long from, float factor, MemorySegment result, long to, int width, boolean added) {
            int whole = width / Lanes.COUNT * Lanes.COUNT;
            for (int i = 0; i < whole; i += Lanes.COUNT) {
                FloatVector value =
                        Lanes.loadFloats(table, (from + i) * Float.BYTES).mul(factor);
                long at = (to + i) * Float.BYTES;
                Lanes.storeFloats(added ? Lanes.loadFloats(result, at).add(value) : value, result, at);
            }
            for (int i = whole; i < width; i++) {
                float value = factor * Lanes.get(table, ElementType.FP32, from + i);
                float before = added ? Lanes.get(result, ElementType.FP32, to + i) : 0;
                Lanes.set(result, ElementType.FP32, to + i, added ? before + value : value);
            }
        }

        static void addRow(Rows gradient, Rows lookups, long[] order, int from, int to, float factor) {
            int width = gradient.width;
            long row = (order[from] >>> 32) * width;
            int whole = width / Lanes.COUNT * Lanes.COUNT;
            for (int i = 0; i < whole; i += Lanes.COUNT) {
                FloatVector sum = FloatVector.zero(Lanes.FLOATS);
                for (int n = from; n < to; n++) {
                    sum = sum.add(load(lookups, (int) order[n] * (long) width + i));
                }
                store(sum.fma(Lanes.all(factor), load(gradient, row + i)), gradient, row + i);
            }
            for (int i = whole; i < width; i++) {
                float sum = 0;
                for (int n = from; n < to; n++) {
                    sum += Lanes.get(lookups.memory, lookups.type, (int) order[n] * (long) width + i);
                }
                float before = Lanes.get(gradient.memory, gradient.type, row + i);
                Lanes.set(gradient.memory, gradient.type, row + i, Math.fma(sum, factor, before));
            }
        }

        private static FloatVector load(Rows rows, long at) {
            return rows.type == ElementType.BF16
                    ? Lanes.loadBf16(rows.memory, at * Short.BYTES)
                    : Lanes.loadFloats(rows.memory, at * Float.BYTES);
        }

        private static void store(FloatVector value, Rows rows, long at) {
            if (rows.type == ElementType.BF16) {
                Lanes.storeBf16(value, rows.memory, at * Short.BYTES);
            } else {
                Lanes.storeFloats(value, rows.memory, at * Float.BYTES);
            }
        }
    }
}
