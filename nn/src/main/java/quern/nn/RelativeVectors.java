package quern.nn;

import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Learnt vectors by the distance between query and key, added to keys and to values (Shaw et al. 2018, arXiv:1803.02155): the
 * score of query i for key j is {@code q_i · (k_j + a^K_c) · scale}, and what i gets is {@code Σ_j pattern_ij (v_j + a^V_c)}, with
 * {@code c = clip(j - i, -K, K)}. The vectors serve all heads. The last query is at the last key.
 *
 * @param keys_RD a^K, R = 2K + 1 rows, the first for keys K or more positions before the query
 * @param values_RD a^V, likewise
 */
public record RelativeVectors(Parameter keys_RD, Parameter values_RD) {
    /** Checks that the tables fit. */
    public RelativeVectors {
        if (keys_RD.value().size(0) % 2 == 0
                || keys_RD.value().size(0) != values_RD.value().size(0)) {
            throw new IllegalArgumentException("two tables of 2K + 1 rows are needed, not of %d and %d"
                    .formatted(keys_RD.value().size(0), values_RD.value().size(0)));
        }
    }

    List<Parameter> parameters() {
        return List.of(keys_RD, values_RD);
    }

    /** {@code q_i · a^K_c} [B, H, T, S]. */
    Tensor scores(Tensor q_BHTD, long s, Pass pass) {
        Tensor byRow_BHTR = q_BHTD.matmul(pass.value(keys_RD).t());
        long[] shape = byRow_BHTR.shape();
        Tensor rows = rows(shape[2], s, q_BHTD.device());
        return byRow_BHTR.gather(-1, rows.expand(shape[0], shape[1], shape[2], s));
    }

    /** {@code Σ_j pattern_ij a^V_c} [B, H, T, D]. */
    Tensor values(Tensor pattern_BHTS, Pass pass) {
        long[] shape = pattern_BHTS.shape();
        Tensor rows = rows(shape[2], shape[3], pattern_BHTS.device());
        Tensor table_RD = pass.value(values_RD);
        // A query's pattern summed by row of the table: one product with all vectors then serves every key.
        Tensor empty = Tensor.zeros(
                pattern_BHTS.dtype(), pattern_BHTS.device(), shape[0], shape[1], shape[2], table_RD.size(0));
        Tensor byRow_BHTR = empty.scatterAdd_(-1, rows.expand(shape), pattern_BHTS);
        return byRow_BHTR.matmul(table_RD);
    }

    /** The row of each query's distance to each key, int64 [T, S]. */
    private Tensor rows(long t, long s, Device device) {
        double clip = (keys_RD.value().size(0) - 1) / 2;
        Tensor positions = Tensor.arange(s, DType.INT64, device);
        Tensor distances = positions.sub(positions.narrow(0, s - t, t).unsqueeze(-1));
        return distances.clampMin(-clip).clampMax(clip).add(clip);
    }
}
