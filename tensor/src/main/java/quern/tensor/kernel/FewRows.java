package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * Products of few rows with a weight matrix that stays where it lies, in native memory: {@code y = x·Wᵀ}, arithmetic in fp32.
 * Every weight is read from memory once, in the order it lies; what the rows share is kept in registers and the first cache.
 *
 * <p>An element's sum runs in the same order whatever the range of outputs it is computed in, so its bits don't depend on how
 * work is divided.
 */
final class FewRows {
    /** Inputs must be a multiple of this, that of the widest vectors. */
    static final int UNIT = 16;

    /** Rows that are computed together where there are several. */
    static final int ROWS = 8;

    /** Where rows in eights begin, so that each vector lies on one line of the cache: see {@link Gemm#START}. */
    static final int START = Gemm.START;

    /** Outputs of one row that are computed together, and the fewest that a matrix may have. */
    static final int OUTPUTS = 4;

    /** Sums that are computed together where there are several rows: of each of eight for two outputs. */
    private static final int SUMS = 2 * ROWS;

    private FewRows() {}

    /** The floats of {@code rows} rows in eights. */
    static int eightsLength(int rows, int in) {
        return START + Math.ceilDiv(rows, ROWS) * ROWS * in;
    }

    /**
     * Lays rows of {@code in} floats in eights, as {@link #multiply} reads them: a vector of each of eight rows, then the next
     * of each, from {@link #START} on. Rows that are missing from the last eight are zero, and computed and left out.
     */
    static void eights(float[] x, int rows, int in, float[] eights) {
        FloatVector zero = FloatVector.zero(Lanes.FLOATS);
        for (int row = 0; row < Math.ceilDiv(rows, ROWS) * ROWS; row++) {
            int to = START + row / ROWS * ROWS * in + row % ROWS * Lanes.COUNT;
            for (int i = 0; i < in; i += Lanes.COUNT) {
                (row < rows ? Lanes.load(x, row * in + i) : zero).intoArray(eights, to + ROWS * i);
            }
        }
    }

    /** A weight matrix [out, in] in memory. */
    record Matrix(MemorySegment memory, ElementType type, int out, int in) {}

    /** Where results go: row r, output o to {@code data[at + r·stride + o]}. */
    record Results(float[] data, int at, int stride) {}

    /**
     * Outputs {@code from} to before {@code to} of all rows; both must be multiples of four, or {@code to} the last.
     *
     * @param x the row, or {@link #eights} of several
     */
    static void multiply(float[] x, int rows, Matrix w, int from, int to, Results y) {
        float[] sums = new float[scratchLength()];
        int together = rows == 1 ? OUTPUTS : 2;
        int apart = (to - from) / together;
        for (int o = from; o < from + apart; o++) {
            multiply(x, rows, w, o, apart, y, 0, sums);
        }
        for (int o = from + apart * together; o < to; o += together) {
            // The last ones overlap with others, which another thread may be at.
            int first = Math.min(o, w.out - together);
            multiply(x, rows, w, first, 1, y, o - first, sums);
        }
    }

    /**
     * Outputs {@code first}, {@code first + apart}… of all rows, from the one of number {@code skipped} on. Outputs that are
     * computed together lie far apart, so that each reads on where it stopped: hardware fetches such streams ahead, but not
     * what jumps to and fro within a page.
     */
    private static void multiply(
            float[] x, int rows, Matrix w, int first, int apart, Results y, int skipped, float[] sums) {
        if (rows == 1) {
            if (w.type == ElementType.BF16) {
                FewRowsLoops.oneBf16(x, w.memory, first, apart, w.in, sums);
            } else {
                FewRowsLoops.oneFp32(x, w.memory, first, apart, w.in, sums);
            }
            for (int i = skipped; i < OUTPUTS; i++) {
                y.data[y.at + first + i * apart] = sum(sums, 4 * i);
            }
            return;
        }
        for (int row = 0; row < rows; row += ROWS) {
            if (w.type == ElementType.BF16) {
                FewRowsLoops.eightBf16(x, START + row * w.in, w.memory, first, apart, w.in, sums);
            } else {
                FewRowsLoops.eightFp32(x, START + row * w.in, w.memory, first, apart, w.in, sums);
            }
            foldAll(sums);
            int at = y.at + row * y.stride + first;
            for (int r = 0; r < Math.min(ROWS, rows - row); r++, at += y.stride) {
                if (skipped == 0) {
                    y.data[at] = sums[START + r];
                }
                y.data[at + apart] = sums[START + ROWS + r];
            }
        }
    }

    /**
     * Sums of products of one row of floats with each of {@code count} rows in memory, one behind another from element
     * {@code index} on: {@code y[i] = factor · (x · row i)}.
     *
     * @param sums scratch of {@link #scratchLength}
     */
    static void dots(
            float[] x,
            int at,
            MemorySegment w,
            ElementType type,
            long index,
            int n,
            int count,
            float factor,
            float[] y,
            float[] sums) {
        if (count < SUMS || n % Lanes.COUNT != 0) {
            for (int i = 0; i < count; i++) {
                y[i] = factor * dot(x, at, w, type, index + (long) i * n, n, sums);
            }
            return;
        }
        for (int i = 0; i < count; i += SUMS) {
            // The last ones are done together with some that are done already, and come out the same.
            int first = Math.min(i, count - SUMS);
            for (int four = 0; four < SUMS; four += 4) {
                long from = index + (first + four) * (long) n;
                int to = START + four * Lanes.COUNT;
                if (type == ElementType.BF16) {
                    FewRowsLoops.fourDotsBf16(x, at, w, from, n, sums, to);
                } else {
                    FewRowsLoops.fourDotsFp32(x, at, w, from, n, sums, to);
                }
            }
            foldAll(sums);
            for (int j = 0; j < SUMS; j++) {
                y[first + j] = factor * sums[START + j];
            }
        }
    }

    /** The floats that {@link #dots} wants as scratch. */
    static int scratchLength() {
        return START + SUMS * Lanes.COUNT;
    }

    /** The sum of products of floats in an array and of weights in memory; any length. */
    private static float dot(float[] x, int at, MemorySegment w, ElementType type, long index, int n, float[] scratch) {
        FloatVector sums = FloatVector.zero(Lanes.FLOATS);
        int vectors = n - n % Lanes.COUNT;
        if (type == ElementType.BF16) {
            for (int i = 0; i < vectors; i += Lanes.COUNT) {
                sums = Lanes.loadBf16(w, 2 * (index + i)).fma(Lanes.load(x, at + i), sums);
            }
        } else {
            for (int i = 0; i < vectors; i += Lanes.COUNT) {
                sums = Lanes.loadFloats(w, 4 * (index + i)).fma(Lanes.load(x, at + i), sums);
            }
        }
        Lanes.foldToFour(sums, scratch, 0);
        float sum = sum(scratch, 0);
        for (int i = vectors; i < n; i++) {
            sum = Math.fma(Lanes.get(w, type, index + i), x[at + i], sum);
        }
        return sum;
    }

    /**
     * The sums of the lanes of {@link #SUMS} vectors, from {@link #START} on, in place of the first of them. Each is that of
     * pairs of halves, of their halves and so on, for as many vectors at once as there are lanes.
     */
    private static void foldAll(float[] v) {
        for (int first = 0; first < SUMS; first += Lanes.COUNT) {
            int at = START + first * Lanes.COUNT;
            if (Lanes.COUNT > 4) {
                FewRowsLoops.foldToFour(v, at);
            }
            FewRowsLoops.foldFour(v, at, START + first);
        }
    }

    private static float sum(float[] sums, int at) {
        return (sums[at] + sums[at + 1]) + (sums[at + 2] + sums[at + 3]);
    }
}
