package quern.tensor.kernel;

import java.util.Arrays;

/**
 * A product of two fp32 matrices as the block kernel takes it, to measure its rate: the right-hand matrix laid in panels
 * beforehand, rows in tiles that the kernel threads share.
 */
public final class ProductProbe {
    private final int m;
    private final int n;
    private final int k;
    private final float[] a;
    private final float[] panels;
    private final float[] c;

    /** A product [m, k]·[k, n] of ones. */
    public ProductProbe(int m, int n, int k) {
        Kernels.require();
        this.m = m;
        this.n = n;
        this.k = k;
        a = new float[Math.multiplyExact(Gemm.padRows(m), Gemm.padColumns(k))];
        panels = new float[Gemm.panelsLength(k, n)];
        c = new float[Math.multiplyExact(Gemm.padRows(m), Gemm.padColumns(n))];
        Arrays.fill(a, 1);
        Arrays.fill(panels, 1);
    }

    /** Takes the product once. */
    public void run() {
        int tiles = Math.ceilDiv(m, DecoderBlockKernel.TILE);
        KernelThreads.run(tiles, tile -> {
            int first = tile * DecoderBlockKernel.TILE;
            int rows = Math.min(DecoderBlockKernel.TILE, m - first);
            Gemm.multiply(
                    new Gemm.Rows(a, first * Gemm.padColumns(k), Gemm.padColumns(k)),
                    panels,
                    new Gemm.Rows(c, first * Gemm.padColumns(n), Gemm.padColumns(n)),
                    Gemm.padRows(rows),
                    n,
                    k,
                    false);
        });
    }

    /** The element in that row and column: k after {@link #run}. */
    public float result(int row, int column) {
        return c[row * Gemm.padColumns(n) + column];
    }
}
