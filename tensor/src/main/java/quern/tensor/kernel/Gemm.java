package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * Products of small fp32 matrices in arrays: what blocks of a few hundred features need, where a library's packing costs as
 * much as its arithmetic. Eight rows and {@link #PANEL} columns of the result stay in registers while the inner dimension goes
 * by (four rows where there are only 16 registers).
 *
 * <p>The right-hand matrix is always laid in panels of columns, so that what a loop reads lies side by side and no two of its
 * lines share a place in the cache; weights are laid once a call, not once a product. The left-hand matrix is taken as it is, or,
 * transposed, laid in panels of eight.
 *
 * <p>Rows of the result are computed in eights and columns in panels, so matrices lie in padded arrays: see {@link #padRows}
 * and {@link #padColumns}. What is read from padding must be finite; what is written there means nothing. Sums run along the
 * inner dimension in order, so an element's bits depend on nothing else.
 */
final class Gemm {
    /** Columns that are computed together. */
    static final int PANEL = 2 * Lanes.COUNT;

    static final int ROWS = 8;

    /**
     * The element where panels begin. A Java array's elements begin 16 bytes behind the array; where the launcher has objects
     * begin on lines of the cache, this one does too, and then so does every vector of a panel.
     */
    static final int START = 12;

    /** The widest panel of any machine, so that layouts are the same everywhere. */
    private static final int COLUMN_UNIT = 32;
    /** Rows of a panel that are written while they are in the first cache. */
    private static final int PACKED_TOGETHER = 16;

    private static final boolean WIDE = Lanes.COUNT >= 16;

    private Gemm() {}

    /** Rows that an array of {@code rows} rows must have room for. */
    static int padRows(int rows) {
        return Math.ceilDiv(rows, ROWS) * ROWS;
    }

    /** Columns that an array of {@code columns} columns must have room for, and a good row stride for it. */
    static int padColumns(int columns) {
        return Math.ceilDiv(columns, COLUMN_UNIT) * COLUMN_UNIT;
    }

    /** Rows of a matrix in an array, {@code stride} apart from {@code at} on. */
    record Rows(float[] data, int at, int stride) {
        /** Those from row {@code row} on. */
        Rows from(int row) {
            return new Rows(data, at + row * stride, stride);
        }
    }

    /** The floats of a matrix [k, n] in panels, from {@link #START} on. */
    static int panelsLength(int k, int n) {
        return START + Math.ceilDiv(n, COLUMN_UNIT) * COLUMN_UNIT * k;
    }

    /** The floats of the transpose of a matrix [k, m] in panels of eight. */
    static int eightsLength(int k, int m) {
        return padRows(m) * k;
    }

    /** {@code c (+)= a·b}: a [m, k], b [k, n] in panels. */
    static void multiply(Rows a, float[] b, Rows c, int m, int n, int k, boolean add) {
        int panels = Math.ceilDiv(n, PANEL);
        for (int panel = 0; panel < panels; panel++) {
            Rows columns = new Rows(c.data, c.at + panel * PANEL, c.stride);
            multiplyPanel(a, b, START + panel * PANEL * k, columns, m, k, add);
        }
    }

    /** As above for one panel of b, from {@code bi} on, and the columns of c that it makes. */
    static void multiplyPanel(Rows a, float[] b, int bi, Rows c, int m, int k, boolean add) {
        if (WIDE) {
            for (int i = 0; i < m; i += ROWS) {
                eight(a.data, a.at + i * a.stride, a.stride, b, bi, c.data, c.at + i * c.stride, c.stride, k, add);
            }
        } else {
            for (int i = 0; i < m; i += ROWS / 2) {
                four(a.data, a.at + i * a.stride, a.stride, b, bi, c.data, c.at + i * c.stride, c.stride, k, add);
            }
        }
    }

    /** {@code c (+)= aᵀ·b}: aᵀ [m, k] in panels of eight, b [k, n] in panels. */
    static void multiplyTransposed(float[] a, float[] b, Rows c, int m, int n, int k, boolean add) {
        int panels = Math.ceilDiv(n, PANEL);
        for (int panel = 0; panel < panels; panel++) {
            int bi = START + panel * PANEL * k;
            int ci = c.at + panel * PANEL;
            for (int i = 0; i < m; i += ROWS) {
                if (WIDE) {
                    eightTransposed(a, i * k, b, bi, c.data, ci + i * c.stride, c.stride, k, add);
                } else {
                    fourTransposed(a, i * k, b, bi, c.data, ci + i * c.stride, c.stride, k, add);
                    fourTransposed(a, i * k + 4, b, bi, c.data, ci + (i + 4) * c.stride, c.stride, k, add);
                }
            }
        }
    }

    /** Lays rows [k, n] in panels; columns up to the next panel's start are read too. */
    static void panels(Rows rows, int k, int n, float[] packed) {
        for (int panel = 0; panel * PANEL < n; panel++) {
            int target = START + panel * PANEL * k;
            int source = rows.at + panel * PANEL;
            for (int i = 0; i < k; i++, target += PANEL, source += rows.stride) {
                Lanes.load(rows.data, source).intoArray(packed, target);
                Lanes.load(rows.data, source + Lanes.COUNT).intoArray(packed, target + Lanes.COUNT);
            }
        }
    }

    /** Lays the transpose of rows [n, k] in panels from {@code from} to before {@code to}, zero where there are no rows. */
    static void panelsTransposed(Rows rows, int n, int k, int from, int to, float[] packed) {
        for (int panel = from; panel < to; panel++) {
            int first = panel * PANEL;
            int count = Math.min(PANEL, n - first);
            for (int start = 0; start < k; start += PACKED_TOGETHER) {
                int end = Math.min(k, start + PACKED_TOGETHER);
                int base = START + first * k + start * PANEL;
                for (int column = 0; column < count; column++) {
                    int source = rows.at + (first + column) * rows.stride;
                    for (int i = start, target = base + column; i < end; i++, target += PANEL) {
                        packed[target] = rows.data[source + i];
                    }
                }
                for (int column = count; column < PANEL; column++) {
                    for (int i = start, target = base + column; i < end; i++, target += PANEL) {
                        packed[target] = 0;
                    }
                }
            }
        }
    }

    /** Lays the transpose of rows [k, m] in panels of eight; columns up to the next eight are read too. */
    static void eights(Rows rows, int k, int m, float[] packed) {
        for (int first = 0; first < m; first += ROWS) {
            int target = first * k;
            int source = rows.at + first;
            for (int i = 0; i < k; i++, target += ROWS, source += rows.stride) {
                FloatVector.fromArray(FloatVector.SPECIES_256, rows.data, source)
                        .intoArray(packed, target);
            }
        }
    }

    private static FloatVector all(float x) {
        return FloatVector.broadcast(Lanes.FLOATS, x);
    }

    private static FloatVector start(boolean add, float[] c, int i) {
        return add ? Lanes.load(c, i) : FloatVector.zero(Lanes.FLOATS);
    }

    private static void eight(
            float[] a, int ai, int aRow, float[] b, int bi, float[] c, int ci, int cRow, int k, boolean add) {
        int w = Lanes.COUNT;
        int i = ci;
        FloatVector c00 = start(add, c, i);
        FloatVector c01 = start(add, c, i + w);
        i += cRow;
        FloatVector c10 = start(add, c, i);
        FloatVector c11 = start(add, c, i + w);
        i += cRow;
        FloatVector c20 = start(add, c, i);
        FloatVector c21 = start(add, c, i + w);
        i += cRow;
        FloatVector c30 = start(add, c, i);
        FloatVector c31 = start(add, c, i + w);
        i += cRow;
        FloatVector c40 = start(add, c, i);
        FloatVector c41 = start(add, c, i + w);
        i += cRow;
        FloatVector c50 = start(add, c, i);
        FloatVector c51 = start(add, c, i + w);
        i += cRow;
        FloatVector c60 = start(add, c, i);
        FloatVector c61 = start(add, c, i + w);
        i += cRow;
        FloatVector c70 = start(add, c, i);
        FloatVector c71 = start(add, c, i + w);
        int a1 = ai + aRow;
        int a2 = a1 + aRow;
        int a3 = a2 + aRow;
        int a4 = a3 + aRow;
        int a5 = a4 + aRow;
        int a6 = a5 + aRow;
        int a7 = a6 + aRow;
        for (int j = 0; j < k; j++) {
            FloatVector b0 = Lanes.load(b, bi + PANEL * j);
            FloatVector b1 = Lanes.load(b, bi + PANEL * j + w);
            FloatVector x = all(a[ai + j]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = all(a[a1 + j]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = all(a[a2 + j]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = all(a[a3 + j]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
            x = all(a[a4 + j]);
            c40 = x.fma(b0, c40);
            c41 = x.fma(b1, c41);
            x = all(a[a5 + j]);
            c50 = x.fma(b0, c50);
            c51 = x.fma(b1, c51);
            x = all(a[a6 + j]);
            c60 = x.fma(b0, c60);
            c61 = x.fma(b1, c61);
            x = all(a[a7 + j]);
            c70 = x.fma(b0, c70);
            c71 = x.fma(b1, c71);
        }
        i = ci;
        c00.intoArray(c, i);
        c01.intoArray(c, i + w);
        i += cRow;
        c10.intoArray(c, i);
        c11.intoArray(c, i + w);
        i += cRow;
        c20.intoArray(c, i);
        c21.intoArray(c, i + w);
        i += cRow;
        c30.intoArray(c, i);
        c31.intoArray(c, i + w);
        i += cRow;
        c40.intoArray(c, i);
        c41.intoArray(c, i + w);
        i += cRow;
        c50.intoArray(c, i);
        c51.intoArray(c, i + w);
        i += cRow;
        c60.intoArray(c, i);
        c61.intoArray(c, i + w);
        i += cRow;
        c70.intoArray(c, i);
        c71.intoArray(c, i + w);
    }

    private static void four(
            float[] a, int ai, int aRow, float[] b, int bi, float[] c, int ci, int cRow, int k, boolean add) {
        int w = Lanes.COUNT;
        int i = ci;
        FloatVector c00 = start(add, c, i);
        FloatVector c01 = start(add, c, i + w);
        i += cRow;
        FloatVector c10 = start(add, c, i);
        FloatVector c11 = start(add, c, i + w);
        i += cRow;
        FloatVector c20 = start(add, c, i);
        FloatVector c21 = start(add, c, i + w);
        i += cRow;
        FloatVector c30 = start(add, c, i);
        FloatVector c31 = start(add, c, i + w);
        int a1 = ai + aRow;
        int a2 = a1 + aRow;
        int a3 = a2 + aRow;
        for (int j = 0; j < k; j++) {
            FloatVector b0 = Lanes.load(b, bi + PANEL * j);
            FloatVector b1 = Lanes.load(b, bi + PANEL * j + w);
            FloatVector x = all(a[ai + j]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = all(a[a1 + j]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = all(a[a2 + j]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = all(a[a3 + j]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
        }
        i = ci;
        c00.intoArray(c, i);
        c01.intoArray(c, i + w);
        i += cRow;
        c10.intoArray(c, i);
        c11.intoArray(c, i + w);
        i += cRow;
        c20.intoArray(c, i);
        c21.intoArray(c, i + w);
        i += cRow;
        c30.intoArray(c, i);
        c31.intoArray(c, i + w);
    }

    private static void eightTransposed(
            float[] a, int ai, float[] b, int bi, float[] c, int ci, int cRow, int k, boolean add) {
        int w = Lanes.COUNT;
        int i = ci;
        FloatVector c00 = start(add, c, i);
        FloatVector c01 = start(add, c, i + w);
        i += cRow;
        FloatVector c10 = start(add, c, i);
        FloatVector c11 = start(add, c, i + w);
        i += cRow;
        FloatVector c20 = start(add, c, i);
        FloatVector c21 = start(add, c, i + w);
        i += cRow;
        FloatVector c30 = start(add, c, i);
        FloatVector c31 = start(add, c, i + w);
        i += cRow;
        FloatVector c40 = start(add, c, i);
        FloatVector c41 = start(add, c, i + w);
        i += cRow;
        FloatVector c50 = start(add, c, i);
        FloatVector c51 = start(add, c, i + w);
        i += cRow;
        FloatVector c60 = start(add, c, i);
        FloatVector c61 = start(add, c, i + w);
        i += cRow;
        FloatVector c70 = start(add, c, i);
        FloatVector c71 = start(add, c, i + w);
        for (int j = 0; j < k; j++) {
            int aj = ai + ROWS * j;
            FloatVector b0 = Lanes.load(b, bi + PANEL * j);
            FloatVector b1 = Lanes.load(b, bi + PANEL * j + w);
            FloatVector x = all(a[aj]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = all(a[aj + 1]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = all(a[aj + 2]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = all(a[aj + 3]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
            x = all(a[aj + 4]);
            c40 = x.fma(b0, c40);
            c41 = x.fma(b1, c41);
            x = all(a[aj + 5]);
            c50 = x.fma(b0, c50);
            c51 = x.fma(b1, c51);
            x = all(a[aj + 6]);
            c60 = x.fma(b0, c60);
            c61 = x.fma(b1, c61);
            x = all(a[aj + 7]);
            c70 = x.fma(b0, c70);
            c71 = x.fma(b1, c71);
        }
        i = ci;
        c00.intoArray(c, i);
        c01.intoArray(c, i + w);
        i += cRow;
        c10.intoArray(c, i);
        c11.intoArray(c, i + w);
        i += cRow;
        c20.intoArray(c, i);
        c21.intoArray(c, i + w);
        i += cRow;
        c30.intoArray(c, i);
        c31.intoArray(c, i + w);
        i += cRow;
        c40.intoArray(c, i);
        c41.intoArray(c, i + w);
        i += cRow;
        c50.intoArray(c, i);
        c51.intoArray(c, i + w);
        i += cRow;
        c60.intoArray(c, i);
        c61.intoArray(c, i + w);
        i += cRow;
        c70.intoArray(c, i);
        c71.intoArray(c, i + w);
    }

    private static void fourTransposed(
            float[] a, int ai, float[] b, int bi, float[] c, int ci, int cRow, int k, boolean add) {
        int w = Lanes.COUNT;
        int i = ci;
        FloatVector c00 = start(add, c, i);
        FloatVector c01 = start(add, c, i + w);
        i += cRow;
        FloatVector c10 = start(add, c, i);
        FloatVector c11 = start(add, c, i + w);
        i += cRow;
        FloatVector c20 = start(add, c, i);
        FloatVector c21 = start(add, c, i + w);
        i += cRow;
        FloatVector c30 = start(add, c, i);
        FloatVector c31 = start(add, c, i + w);
        for (int j = 0; j < k; j++) {
            int aj = ai + ROWS * j;
            FloatVector b0 = Lanes.load(b, bi + PANEL * j);
            FloatVector b1 = Lanes.load(b, bi + PANEL * j + w);
            FloatVector x = all(a[aj]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = all(a[aj + 1]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = all(a[aj + 2]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = all(a[aj + 3]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
        }
        i = ci;
        c00.intoArray(c, i);
        c01.intoArray(c, i + w);
        i += cRow;
        c10.intoArray(c, i);
        c11.intoArray(c, i + w);
        i += cRow;
        c20.intoArray(c, i);
        c21.intoArray(c, i + w);
        i += cRow;
        c30.intoArray(c, i);
        c31.intoArray(c, i + w);
    }
}
