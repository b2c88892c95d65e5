package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

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

    private static final VectorSpecies<Float> QUARTER = VectorSpecies.of(float.class, VectorShape.S_128_BIT);
    private static final VectorSpecies<Float> HALF = VectorSpecies.of(float.class, VectorShape.S_256_BIT);

    /** Lanes whose number has that bit, and lanes with those that many away in each other's place. */
    private static final VectorMask<Float> BIT_0 = Lanes.lanesWith(1);

    private static final VectorMask<Float> BIT_1 = Lanes.lanesWith(2);
    private static final VectorMask<Float> BIT_2 = Lanes.lanesWith(4);
    private static final VectorMask<Float> BIT_3 = Lanes.lanesWith(8);
    private static final VectorShuffle<Float> SWAP_1 = Lanes.swapping(1);
    private static final VectorShuffle<Float> SWAP_2 = Lanes.swapping(2);
    private static final VectorShuffle<Float> SWAP_4 = Lanes.swapping(4);
    private static final VectorShuffle<Float> SWAP_8 = Lanes.swapping(8);

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
        float[] sums = new float[START + SUMS * Lanes.COUNT];
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
                oneBf16(x, w.memory, first, apart, w.in, sums);
            } else {
                oneFp32(x, w.memory, first, apart, w.in, sums);
            }
            for (int i = skipped; i < OUTPUTS; i++) {
                y.data[y.at + first + i * apart] = sum(sums, 4 * i);
            }
            return;
        }
        for (int row = 0; row < rows; row += ROWS) {
            if (w.type == ElementType.BF16) {
                eightBf16(x, START + row * w.in, w.memory, first, apart, w.in, sums);
            } else {
                eightFp32(x, START + row * w.in, w.memory, first, apart, w.in, sums);
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

    /** The sum of products of floats in an array and of weights in memory; any length. */
    static float dot(float[] x, int at, MemorySegment w, ElementType type, long index, int n, float[] scratch) {
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
        fold(sums, scratch, 0);
        float sum = sum(scratch, 0);
        for (int i = vectors; i < n; i++) {
            sum = Math.fma(Lanes.get(w, type, index + i), x[at + i], sum);
        }
        return sum;
    }

    /** Four sums whose sum is that of the lanes; always in the same order, which a reduction of the Vector API is not. */
    private static void fold(FloatVector v, float[] sums, int at) {
        FloatVector w = v;
        if (Lanes.COUNT > 8) {
            w = ((FloatVector) w.reinterpretShape(HALF, 0)).add((FloatVector) w.reinterpretShape(HALF, 1));
        }
        if (Lanes.COUNT > 4) {
            w = ((FloatVector) w.reinterpretShape(QUARTER, 0)).add((FloatVector) w.reinterpretShape(QUARTER, 1));
        }
        w.intoArray(sums, at);
    }

    /**
     * The sums of the lanes of {@link #SUMS} vectors, from {@link #START} on, in place of the first of them. Each is that of
     * pairs of halves, of their halves and so on, for as many vectors at once as there are lanes. A method of its own: the
     * compiler gives up on inlining where one has many operations on vectors.
     */
    private static void foldAll(float[] v) {
        for (int first = 0; first < SUMS; first += Lanes.COUNT) {
            int at = START + first * Lanes.COUNT;
            for (int i = at; Lanes.COUNT > 4 && i < at + 4 * Lanes.COUNT; i += Lanes.COUNT) {
                FloatVector a = Lanes.load(v, i);
                FloatVector b = Lanes.load(v, i + 4 * Lanes.COUNT);
                if (Lanes.COUNT > 8) {
                    a = Lanes.joinHalves(a, Lanes.load(v, i + 8 * Lanes.COUNT), BIT_3, SWAP_8);
                    b = Lanes.joinHalves(b, Lanes.load(v, i + 12 * Lanes.COUNT), BIT_3, SWAP_8);
                }
                Lanes.joinHalves(a, b, BIT_2, SWAP_4).intoArray(v, i);
            }
            FloatVector a = Lanes.joinHalves(Lanes.load(v, at), Lanes.load(v, at + 2 * Lanes.COUNT), BIT_1, SWAP_2);
            FloatVector b = Lanes.joinHalves(
                    Lanes.load(v, at + Lanes.COUNT), Lanes.load(v, at + 3 * Lanes.COUNT), BIT_1, SWAP_2);
            Lanes.joinHalves(a, b, BIT_0, SWAP_1).intoArray(v, START + first);
        }
    }

    private static float sum(float[] sums, int at) {
        return (sums[at] + sums[at + 1]) + (sums[at + 2] + sums[at + 3]);
    }

    private static void oneBf16(float[] x, MemorySegment w, int first, int apart, int in, float[] sums) {
        long row = 2L * in * apart;
        long w0 = 2L * in * first;
        long w1 = w0 + row;
        long w2 = w1 + row;
        long w3 = w2 + row;
        FloatVector s0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        for (int i = 0; i < in; i += Lanes.COUNT) {
            FloatVector v = Lanes.load(x, i);
            s0 = Lanes.loadBf16(w, w0 + 2L * i).fma(v, s0);
            s1 = Lanes.loadBf16(w, w1 + 2L * i).fma(v, s1);
            s2 = Lanes.loadBf16(w, w2 + 2L * i).fma(v, s2);
            s3 = Lanes.loadBf16(w, w3 + 2L * i).fma(v, s3);
        }
        fold(s0, sums, 0);
        fold(s1, sums, 4);
        fold(s2, sums, 8);
        fold(s3, sums, 12);
    }

    private static void oneFp32(float[] x, MemorySegment w, int first, int apart, int in, float[] sums) {
        long row = 4L * in * apart;
        long w0 = 4L * in * first;
        long w1 = w0 + row;
        long w2 = w1 + row;
        long w3 = w2 + row;
        FloatVector s0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        for (int i = 0; i < in; i += Lanes.COUNT) {
            FloatVector v = Lanes.load(x, i);
            s0 = Lanes.loadFloats(w, w0 + 4L * i).fma(v, s0);
            s1 = Lanes.loadFloats(w, w1 + 4L * i).fma(v, s1);
            s2 = Lanes.loadFloats(w, w2 + 4L * i).fma(v, s2);
            s3 = Lanes.loadFloats(w, w3 + 4L * i).fma(v, s3);
        }
        fold(s0, sums, 0);
        fold(s1, sums, 4);
        fold(s2, sums, 8);
        fold(s3, sums, 12);
    }

    private static void eightBf16(float[] x, int at, MemorySegment w, int first, int apart, int in, float[] sums) {
        long w0 = 2L * first * in;
        long w1 = w0 + 2L * in * apart;
        FloatVector a0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        FloatVector a4 = a0;
        FloatVector a5 = a0;
        FloatVector a6 = a0;
        FloatVector a7 = a0;
        FloatVector b0 = a0;
        FloatVector b1 = a0;
        FloatVector b2 = a0;
        FloatVector b3 = a0;
        FloatVector b4 = a0;
        FloatVector b5 = a0;
        FloatVector b6 = a0;
        FloatVector b7 = a0;
        for (int i = 0; i < in; i += Lanes.COUNT) {
            FloatVector u = Lanes.loadBf16(w, w0 + 2L * i);
            FloatVector v = Lanes.loadBf16(w, w1 + 2L * i);
            int xi = at + ROWS * i;
            FloatVector t = Lanes.load(x, xi);
            a0 = u.fma(t, a0);
            b0 = v.fma(t, b0);
            t = Lanes.load(x, xi + Lanes.COUNT);
            a1 = u.fma(t, a1);
            b1 = v.fma(t, b1);
            t = Lanes.load(x, xi + 2 * Lanes.COUNT);
            a2 = u.fma(t, a2);
            b2 = v.fma(t, b2);
            t = Lanes.load(x, xi + 3 * Lanes.COUNT);
            a3 = u.fma(t, a3);
            b3 = v.fma(t, b3);
            t = Lanes.load(x, xi + 4 * Lanes.COUNT);
            a4 = u.fma(t, a4);
            b4 = v.fma(t, b4);
            t = Lanes.load(x, xi + 5 * Lanes.COUNT);
            a5 = u.fma(t, a5);
            b5 = v.fma(t, b5);
            t = Lanes.load(x, xi + 6 * Lanes.COUNT);
            a6 = u.fma(t, a6);
            b6 = v.fma(t, b6);
            t = Lanes.load(x, xi + 7 * Lanes.COUNT);
            a7 = u.fma(t, a7);
            b7 = v.fma(t, b7);
        }
        a0.intoArray(sums, START);
        a1.intoArray(sums, START + Lanes.COUNT);
        a2.intoArray(sums, START + 2 * Lanes.COUNT);
        a3.intoArray(sums, START + 3 * Lanes.COUNT);
        a4.intoArray(sums, START + 4 * Lanes.COUNT);
        a5.intoArray(sums, START + 5 * Lanes.COUNT);
        a6.intoArray(sums, START + 6 * Lanes.COUNT);
        a7.intoArray(sums, START + 7 * Lanes.COUNT);
        b0.intoArray(sums, START + 8 * Lanes.COUNT);
        b1.intoArray(sums, START + 9 * Lanes.COUNT);
        b2.intoArray(sums, START + 10 * Lanes.COUNT);
        b3.intoArray(sums, START + 11 * Lanes.COUNT);
        b4.intoArray(sums, START + 12 * Lanes.COUNT);
        b5.intoArray(sums, START + 13 * Lanes.COUNT);
        b6.intoArray(sums, START + 14 * Lanes.COUNT);
        b7.intoArray(sums, START + 15 * Lanes.COUNT);
    }

    private static void eightFp32(float[] x, int at, MemorySegment w, int first, int apart, int in, float[] sums) {
        long w0 = 4L * first * in;
        long w1 = w0 + 4L * in * apart;
        FloatVector a0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        FloatVector a4 = a0;
        FloatVector a5 = a0;
        FloatVector a6 = a0;
        FloatVector a7 = a0;
        FloatVector b0 = a0;
        FloatVector b1 = a0;
        FloatVector b2 = a0;
        FloatVector b3 = a0;
        FloatVector b4 = a0;
        FloatVector b5 = a0;
        FloatVector b6 = a0;
        FloatVector b7 = a0;
        for (int i = 0; i < in; i += Lanes.COUNT) {
            FloatVector u = Lanes.loadFloats(w, w0 + 4L * i);
            FloatVector v = Lanes.loadFloats(w, w1 + 4L * i);
            int xi = at + ROWS * i;
            FloatVector t = Lanes.load(x, xi);
            a0 = u.fma(t, a0);
            b0 = v.fma(t, b0);
            t = Lanes.load(x, xi + Lanes.COUNT);
            a1 = u.fma(t, a1);
            b1 = v.fma(t, b1);
            t = Lanes.load(x, xi + 2 * Lanes.COUNT);
            a2 = u.fma(t, a2);
            b2 = v.fma(t, b2);
            t = Lanes.load(x, xi + 3 * Lanes.COUNT);
            a3 = u.fma(t, a3);
            b3 = v.fma(t, b3);
            t = Lanes.load(x, xi + 4 * Lanes.COUNT);
            a4 = u.fma(t, a4);
            b4 = v.fma(t, b4);
            t = Lanes.load(x, xi + 5 * Lanes.COUNT);
            a5 = u.fma(t, a5);
            b5 = v.fma(t, b5);
            t = Lanes.load(x, xi + 6 * Lanes.COUNT);
            a6 = u.fma(t, a6);
            b6 = v.fma(t, b6);
            t = Lanes.load(x, xi + 7 * Lanes.COUNT);
            a7 = u.fma(t, a7);
            b7 = v.fma(t, b7);
        }
        a0.intoArray(sums, START);
        a1.intoArray(sums, START + Lanes.COUNT);
        a2.intoArray(sums, START + 2 * Lanes.COUNT);
        a3.intoArray(sums, START + 3 * Lanes.COUNT);
        a4.intoArray(sums, START + 4 * Lanes.COUNT);
        a5.intoArray(sums, START + 5 * Lanes.COUNT);
        a6.intoArray(sums, START + 6 * Lanes.COUNT);
        a7.intoArray(sums, START + 7 * Lanes.COUNT);
        b0.intoArray(sums, START + 8 * Lanes.COUNT);
        b1.intoArray(sums, START + 9 * Lanes.COUNT);
        b2.intoArray(sums, START + 10 * Lanes.COUNT);
        b3.intoArray(sums, START + 11 * Lanes.COUNT);
        b4.intoArray(sums, START + 12 * Lanes.COUNT);
        b5.intoArray(sums, START + 13 * Lanes.COUNT);
        b6.intoArray(sums, START + 14 * Lanes.COUNT);
        b7.intoArray(sums, START + 15 * Lanes.COUNT);
    }
}
