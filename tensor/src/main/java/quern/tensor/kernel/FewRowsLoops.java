package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * The loops of {@link FewRows} and of attention over a cache. The launcher has each compiled by itself: the compiler stops
 * inlining where a method has grown too large with what it inlined, and operations on vectors that are not inlined are calls
 * with objects. So these methods are small and take no vectors.
 */
final class FewRowsLoops {
    private static final int START = FewRows.START;
    private static final int ROWS = FewRows.ROWS;

    /** Lanes whose number has that bit, and lanes with those that many away in each other's place. */
    private static final VectorMask<Float> BIT_0 = Lanes.lanesWith(1);

    private static final VectorMask<Float> BIT_1 = Lanes.lanesWith(2);
    private static final VectorMask<Float> BIT_2 = Lanes.lanesWith(4);
    private static final VectorMask<Float> BIT_3 = Lanes.lanesWith(8);
    private static final VectorShuffle<Float> SWAP_1 = Lanes.swapping(1);
    private static final VectorShuffle<Float> SWAP_2 = Lanes.swapping(2);
    private static final VectorShuffle<Float> SWAP_4 = Lanes.swapping(4);
    private static final VectorShuffle<Float> SWAP_8 = Lanes.swapping(8);

    private FewRowsLoops() {}

    static void oneBf16(float[] x, MemorySegment w, int first, int apart, int in, float[] sums) {
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
        Lanes.foldToFour(s0, sums, 0);
        Lanes.foldToFour(s1, sums, 4);
        Lanes.foldToFour(s2, sums, 8);
        Lanes.foldToFour(s3, sums, 12);
    }

    static void oneFp32(float[] x, MemorySegment w, int first, int apart, int in, float[] sums) {
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
        Lanes.foldToFour(s0, sums, 0);
        Lanes.foldToFour(s1, sums, 4);
        Lanes.foldToFour(s2, sums, 8);
        Lanes.foldToFour(s3, sums, 12);
    }

    static void eightBf16(float[] x, int at, MemorySegment w, int first, int apart, int in, float[] sums) {
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

    static void eightFp32(float[] x, int at, MemorySegment w, int first, int apart, int in, float[] sums) {
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

    static void fourDotsBf16(float[] x, int at, MemorySegment w, long index, int n, float[] sums, int to) {
        long row = 2L * n;
        long w0 = 2L * index;
        FloatVector s0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        for (int i = 0; i < n; i += Lanes.COUNT) {
            FloatVector v = Lanes.load(x, at + i);
            long wi = w0 + 2L * i;
            s0 = Lanes.loadBf16(w, wi).fma(v, s0);
            s1 = Lanes.loadBf16(w, wi + row).fma(v, s1);
            s2 = Lanes.loadBf16(w, wi + 2 * row).fma(v, s2);
            s3 = Lanes.loadBf16(w, wi + 3 * row).fma(v, s3);
        }
        s0.intoArray(sums, to);
        s1.intoArray(sums, to + Lanes.COUNT);
        s2.intoArray(sums, to + 2 * Lanes.COUNT);
        s3.intoArray(sums, to + 3 * Lanes.COUNT);
    }

    static void fourDotsFp32(float[] x, int at, MemorySegment w, long index, int n, float[] sums, int to) {
        long row = 4L * n;
        long w0 = 4L * index;
        FloatVector s0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        for (int i = 0; i < n; i += Lanes.COUNT) {
            FloatVector v = Lanes.load(x, at + i);
            long wi = w0 + 4L * i;
            s0 = Lanes.loadFloats(w, wi).fma(v, s0);
            s1 = Lanes.loadFloats(w, wi + row).fma(v, s1);
            s2 = Lanes.loadFloats(w, wi + 2 * row).fma(v, s2);
            s3 = Lanes.loadFloats(w, wi + 3 * row).fma(v, s3);
        }
        s0.intoArray(sums, to);
        s1.intoArray(sums, to + Lanes.COUNT);
        s2.intoArray(sums, to + 2 * Lanes.COUNT);
        s3.intoArray(sums, to + 3 * Lanes.COUNT);
    }

    /** As many vectors as there are lanes to four, from {@code at} on: of each a sum in every fourth lane. */
    static void foldToFour(float[] v, int at) {
        for (int i = at; i < at + 4 * Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector a = Lanes.load(v, i);
            FloatVector b = Lanes.load(v, i + 4 * Lanes.COUNT);
            if (Lanes.COUNT > 8) {
                a = Lanes.joinHalves(a, Lanes.load(v, i + 8 * Lanes.COUNT), BIT_3, SWAP_8);
                b = Lanes.joinHalves(b, Lanes.load(v, i + 12 * Lanes.COUNT), BIT_3, SWAP_8);
            }
            Lanes.joinHalves(a, b, BIT_2, SWAP_4).intoArray(v, i);
        }
    }

    /** Four vectors from {@code at} on to one. */
    static void foldFour(float[] v, int at, int to) {
        FloatVector a = Lanes.joinHalves(Lanes.load(v, at), Lanes.load(v, at + 2 * Lanes.COUNT), BIT_1, SWAP_2);
        FloatVector b =
                Lanes.joinHalves(Lanes.load(v, at + Lanes.COUNT), Lanes.load(v, at + 3 * Lanes.COUNT), BIT_1, SWAP_2);
        Lanes.joinHalves(a, b, BIT_0, SWAP_1).intoArray(v, to);
    }

    /** Four vectors of the weighted sum of rows of {@code n} elements in memory; their sums don't wait for one another. */
    static void mixFourBf16(
            float[] weights, int count, MemorySegment values, long index, int n, float[] target, int at) {
        FloatVector s0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        for (int s = 0; s < count; s++) {
            FloatVector weight = Lanes.all(weights[s]);
            long from = 2 * (index + (long) s * n);
            s0 = Lanes.loadBf16(values, from).fma(weight, s0);
            s1 = Lanes.loadBf16(values, from + 2 * Lanes.COUNT).fma(weight, s1);
            s2 = Lanes.loadBf16(values, from + 4 * Lanes.COUNT).fma(weight, s2);
            s3 = Lanes.loadBf16(values, from + 6 * Lanes.COUNT).fma(weight, s3);
        }
        s0.intoArray(target, at);
        s1.intoArray(target, at + Lanes.COUNT);
        s2.intoArray(target, at + 2 * Lanes.COUNT);
        s3.intoArray(target, at + 3 * Lanes.COUNT);
    }

    static void mixFourFp32(
            float[] weights, int count, MemorySegment values, long index, int n, float[] target, int at) {
        FloatVector s0 = FloatVector.zero(Lanes.FLOATS);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        for (int s = 0; s < count; s++) {
            FloatVector weight = Lanes.all(weights[s]);
            long from = 4 * (index + (long) s * n);
            s0 = Lanes.loadFloats(values, from).fma(weight, s0);
            s1 = Lanes.loadFloats(values, from + 4 * Lanes.COUNT).fma(weight, s1);
            s2 = Lanes.loadFloats(values, from + 8 * Lanes.COUNT).fma(weight, s2);
            s3 = Lanes.loadFloats(values, from + 12 * Lanes.COUNT).fma(weight, s3);
        }
        s0.intoArray(target, at);
        s1.intoArray(target, at + Lanes.COUNT);
        s2.intoArray(target, at + 2 * Lanes.COUNT);
        s3.intoArray(target, at + 3 * Lanes.COUNT);
    }

    /** As above for one vector. */
    static void mixOne(
            float[] weights,
            int count,
            MemorySegment values,
            ElementType type,
            long index,
            int n,
            float[] target,
            int at) {
        FloatVector sums = FloatVector.zero(Lanes.FLOATS);
        if (type == ElementType.BF16) {
            for (int s = 0; s < count; s++) {
                sums = Lanes.loadBf16(values, 2 * (index + (long) s * n)).fma(Lanes.all(weights[s]), sums);
            }
        } else {
            for (int s = 0; s < count; s++) {
                sums = Lanes.loadFloats(values, 4 * (index + (long) s * n)).fma(Lanes.all(weights[s]), sums);
            }
        }
        sums.intoArray(target, at);
    }

    /** {@code exp(x - max)} of the first {@code n} elements, whole vectors, none larger than {@code max}. */
    static void exponentials(float[] x, int n, float max) {
        for (int i = 0; i < n; i += Lanes.COUNT) {
            Lanes.exp(Lanes.load(x, i).sub(max)).intoArray(x, i);
        }
    }
}
