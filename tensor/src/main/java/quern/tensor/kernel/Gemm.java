package quern.tensor.kernel;

import jdk.incubator.vector.FloatVector;

/**
 * Products of small fp32 matrices in arrays, {@code c = a·b} or {@code c += a·b}, without packing {@code a}: what blocks of
 * a few hundred features need, where a library's packing costs as much as its arithmetic. Eight rows and {@link #PANEL}
 * columns of the result stay in registers while the inner dimension goes by (four rows where there are only 16 registers).
 *
 * <p>Rows of the result are computed in eights and columns in panels, so every matrix is laid out in padded arrays: see
 * {@link #padRows} and {@link #padColumns}. The padding of {@code b}'s columns must be finite; what falls into the padding of
 * {@code c} means nothing. Sums run along the inner dimension in order, so an element's bits depend on nothing else.
 */
final class Gemm {
    /** Columns that are computed together. */
    static final int PANEL = 2 * Lanes.COUNT;

    private static final int ROWS = 8;
    /** The widest panel of any machine, so that layouts are the same everywhere. */
    private static final int COLUMN_UNIT = 32;

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

    /**
     * A matrix in an array: element (i, j) at {@code at + i·row + j·column}.
     *
     * @param row distance of rows
     * @param column distance of columns; {@code b} and {@code c} have 1
     */
    record View(float[] data, int at, int row, int column) {
        /** Rows one after another. */
        static View rows(float[] data, int at, int stride) {
            return new View(data, at, stride, 1);
        }

        /** The transpose of rows one after another. */
        static View transposed(float[] data, int at, int stride) {
            return new View(data, at, 1, stride);
        }
    }

    /** {@code c (+)= a·b} with b [k, n] in rows. */
    static void multiply(View a, View b, View c, int m, int n, int k, boolean add) {
        panels(a, b.data, b.at, b.row, PANEL, c, m, n, k, add);
    }

    /** {@code c (+)= a·b} with b [k, n] as {@link #pack} laid it. */
    static void multiplyPacked(View a, float[] packed, View c, int m, int n, int k, boolean add) {
        panels(a, packed, 0, PANEL, k * PANEL, c, m, n, k, add);
    }

    /** The floats {@link #pack} writes for b [k, n]. */
    static int packedLength(int k, int n) {
        return Math.ceilDiv(n, PANEL) * PANEL * k;
    }

    /**
     * Lays the transpose of w [n, k], rows {@code stride} apart, in panels: the columns of a panel side by side, zero where
     * there are none.
     *
     * @param from the first panel to lay
     * @param to the panel after the last
     */
    static void pack(float[] w, int at, int stride, int n, int k, float[] packed, int from, int to) {
        for (int panel = from; panel < to; panel++) {
            int first = panel * PANEL;
            int count = Math.min(PANEL, n - first);
            int base = panel * PANEL * k;
            for (int column = 0; column < count; column++) {
                int source = at + (first + column) * stride;
                for (int i = 0, target = base + column; i < k; i++, target += PANEL) {
                    packed[target] = w[source + i];
                }
            }
            for (int column = count; column < PANEL; column++) {
                for (int i = 0, target = base + column; i < k; i++, target += PANEL) {
                    packed[target] = 0;
                }
            }
        }
    }

    private static void panels(
            View a, float[] b, int bAt, int bRow, int bPanel, View c, int m, int n, int k, boolean add) {
        int panels = Math.ceilDiv(n, PANEL);
        for (int panel = 0; panel < panels; panel++) {
            int bFirst = bAt + panel * bPanel;
            int cColumn = c.at + panel * PANEL;
            if (WIDE) {
                for (int i = 0; i < m; i += ROWS) {
                    eight(
                            a.data,
                            a.at + i * a.row,
                            a.row,
                            a.column,
                            b,
                            bFirst,
                            bRow,
                            c.data,
                            cColumn + i * c.row,
                            c.row,
                            k,
                            add);
                }
            } else {
                for (int i = 0; i < m; i += ROWS / 2) {
                    four(
                            a.data,
                            a.at + i * a.row,
                            a.row,
                            a.column,
                            b,
                            bFirst,
                            bRow,
                            c.data,
                            cColumn + i * c.row,
                            c.row,
                            k,
                            add);
                }
            }
        }
    }

    private static FloatVector load(float[] x, int i) {
        return FloatVector.fromArray(Lanes.FLOATS, x, i);
    }

    private static FloatVector all(float x) {
        return FloatVector.broadcast(Lanes.FLOATS, x);
    }

    private static FloatVector start(boolean add, float[] c, int i) {
        return add ? load(c, i) : FloatVector.zero(Lanes.FLOATS);
    }

    private static void eight(
            float[] a,
            int ai,
            int aRow,
            int aStep,
            float[] b,
            int bi,
            int bStep,
            float[] c,
            int ci,
            int cRow,
            int k,
            boolean add) {
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
        int aj = ai;
        int bj = bi;
        for (int j = 0; j < k; j++) {
            FloatVector b0 = load(b, bj);
            FloatVector b1 = load(b, bj + w);
            FloatVector x = all(a[aj]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = all(a[aj + aRow]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = all(a[aj + 2 * aRow]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = all(a[aj + 3 * aRow]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
            x = all(a[aj + 4 * aRow]);
            c40 = x.fma(b0, c40);
            c41 = x.fma(b1, c41);
            x = all(a[aj + 5 * aRow]);
            c50 = x.fma(b0, c50);
            c51 = x.fma(b1, c51);
            x = all(a[aj + 6 * aRow]);
            c60 = x.fma(b0, c60);
            c61 = x.fma(b1, c61);
            x = all(a[aj + 7 * aRow]);
            c70 = x.fma(b0, c70);
            c71 = x.fma(b1, c71);
            aj += aStep;
            bj += bStep;
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
            float[] a,
            int ai,
            int aRow,
            int aStep,
            float[] b,
            int bi,
            int bStep,
            float[] c,
            int ci,
            int cRow,
            int k,
            boolean add) {
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
        int aj = ai;
        int bj = bi;
        for (int j = 0; j < k; j++) {
            FloatVector b0 = load(b, bj);
            FloatVector b1 = load(b, bj + w);
            FloatVector x = all(a[aj]);
            c00 = x.fma(b0, c00);
            c01 = x.fma(b1, c01);
            x = all(a[aj + aRow]);
            c10 = x.fma(b0, c10);
            c11 = x.fma(b1, c11);
            x = all(a[aj + 2 * aRow]);
            c20 = x.fma(b0, c20);
            c21 = x.fma(b1, c21);
            x = all(a[aj + 3 * aRow]);
            c30 = x.fma(b0, c30);
            c31 = x.fma(b1, c31);
            aj += aStep;
            bj += bStep;
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
