package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import quern.tensor.Tensor;

/**
 * Where documents lie that are one behind another in the one row of a batch [1, N], without padding between them. The flow
 * has their borders under {@link #NAME}, an int64 [documents + 1] on the CPU: 0, the end of each. Positions restart with every
 * document, and attention stays within it. Flash attention's name for it (Dao et al. 2022, arXiv:2205.14135).
 *
 * @param starts where each document starts, ascending, and behind them N
 */
record DocumentBorders(int[] starts) {
    static final String NAME = "cu_seqlens";

    /** The borders that a flow tells; {@code null} where every row is one sequence. */
    static DocumentBorders of(Flow flow) {
        Tensor borders = flow.find(NAME);
        if (borders == null) {
            return null;
        }
        long[] all = borders.toLongs();
        int[] starts = new int[all.length];
        for (int i = 0; i < all.length; i++) {
            starts[i] = Math.toIntExact(all[i]);
            if (i == 0 ? starts[i] != 0 : starts[i] <= starts[i - 1]) {
                throw new IllegalArgumentException(
                        "cu_seqlens must ascend from 0; at %d it is %d".formatted(i, all[i]));
            }
        }
        return new DocumentBorders(starts);
    }

    /** As above, checked against the tokens that the borders divide. */
    static DocumentBorders of(Flow flow, Tensor ids_BT) {
        DocumentBorders borders = of(flow);
        if (borders != null && (ids_BT.size(0) != 1 || ids_BT.size(1) != borders.starts[borders.count()])) {
            throw new IllegalArgumentException("cu_seqlens ends at %d, but the tokens are %s; expected [1, %d]"
                    .formatted(borders.starts[borders.count()], ids_BT, borders.starts[borders.count()]));
        }
        return borders;
    }

    int count() {
        return starts.length - 1;
    }

    int length(int document) {
        return starts[document + 1] - starts[document];
    }

    int longest() {
        int longest = 0;
        for (int i = 0; i < count(); i++) {
            longest = Math.max(longest, length(i));
        }
        return longest;
    }

    /** What {@code part} gives for each document, by its number and its length, one behind another along {@code dim}. */
    Tensor join(int dim, BiFunction<Integer, Integer, Tensor> part) {
        List<Tensor> parts = new ArrayList<>();
        for (int i = 0; i < count(); i++) {
            parts.add(part.apply(i, length(i)));
        }
        return Tensor.cat(parts, dim);
    }
}
