package quern.tensor;

import quern.tensor.kernel.EmbeddingKernel;

/** Sums of rows of tables, by a kernel and without autograd. V rows, D wide, N lookups. */
public final class EmbeddingLookup {
    private EmbeddingLookup() {}

    /**
     * {@code sum[n] = factor · table[ids[n]]}, or {@code +=}; all on the CPU and contiguous.
     *
     * @param table_VD fp32
     * @param ids_N int64, each in [0, V)
     * @param sum_ND fp32
     * @param added whether it is added to what is there
     */
    public static void into(Tensor table_VD, Tensor ids_N, double factor, Tensor sum_ND, boolean added) {
        EmbeddingKernel.lookup(
                EmbeddingGradient.rows(table_VD),
                ids_N.memory(),
                (float) factor,
                EmbeddingGradient.rows(sum_ND),
                added);
    }
}
