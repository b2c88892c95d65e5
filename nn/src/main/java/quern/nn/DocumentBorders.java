package quern.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import quern.tensor.Tensor;
import quern.tensor.kernel.Sequences;

/**
 * Where documents lie that are one behind another in the one row of a batch [1, N], without padding between them. The flow
 * has their borders under {@link #NAME}, an int64 [documents + 1] on the CPU: 0, the end of each. Positions restart with every
 * document, and attention stays within it. Flash attention's name for it (Dao et al. 2022, arXiv:2205.14135).
 *
 * <p>An int64 [2, documents + 1] says in its second row of each document which earlier one it goes on from, -1 for none; the
 * last number there means nothing. Such a document's tokens have the positions behind those of the one before and see them, so
 * what several begin with stands there, and is computed, once ({@link Segment#sharesPrefixes}).
 */
final class DocumentBorders {
    static final String NAME = "cu_seqlens";

    private final Sequences sequences;

    private DocumentBorders(Sequences sequences) {
        this.sequences = sequences;
    }

    /**
     * The borders that a flow tells; {@code null} where every row is one sequence.
     *
     * @throws IllegalArgumentException where a document goes on from another
     */
    static DocumentBorders of(Flow flow) {
        DocumentBorders borders = withPrefixes(flow);
        if (borders != null && borders.sharePrefixes()) {
            throw new IllegalArgumentException(
                    "cu_seqlens has documents that go on from others, which this part of the model can't take");
        }
        return borders;
    }

    /** As above for a part of a model that knows of documents that go on from others. */
    static DocumentBorders withPrefixes(Flow flow) {
        Tensor borders = flow.find(NAME);
        if (borders == null) {
            return null;
        }
        boolean branched = borders.dim() == 2 && borders.size(0) == 2;
        if (!branched && borders.dim() != 1) {
            throw new IllegalArgumentException(
                    "cu_seqlens is %s; expected [documents + 1] or [2, documents + 1]".formatted(borders));
        }
        long[] all = borders.toLongs();
        int[] starts = new int[branched ? all.length / 2 : all.length];
        int[] before = branched ? new int[starts.length - 1] : null;
        for (int i = 0; i < starts.length; i++) {
            starts[i] = Math.toIntExact(all[i]);
            if (i == 0 ? starts[i] != 0 : starts[i] <= starts[i - 1]) {
                throw new IllegalArgumentException(
                        "cu_seqlens must ascend from 0; at %d it is %d".formatted(i, all[i]));
            }
            if (branched && i < before.length) {
                before[i] = Math.toIntExact(all[starts.length + i]);
            }
        }
        return new DocumentBorders(new Sequences(starts, before));
    }

    /** As above, checked against the tokens that the borders divide. */
    static DocumentBorders withPrefixes(Flow flow, Tensor ids_BT) {
        DocumentBorders borders = withPrefixes(flow);
        if (borders != null && (ids_BT.size(0) != 1 || ids_BT.size(1) != borders.tokens())) {
            throw new IllegalArgumentException("cu_seqlens ends at %d, but the tokens are %s; expected [1, %d]"
                    .formatted(borders.tokens(), ids_BT, borders.tokens()));
        }
        return borders;
    }

    /** The same for the kernels. */
    Sequences sequences() {
        return sequences;
    }

    /** Whether some go on from others. */
    boolean sharePrefixes() {
        return sequences.areBranched();
    }

    int count() {
        return sequences.count();
    }

    int tokens() {
        return sequences.tokens();
    }

    /** Where a document starts. */
    int start(int document) {
        return sequences.starts()[document];
    }

    int length(int document) {
        return sequences.length(document);
    }

    /** The tokens that a document goes on from. */
    int past(int document) {
        return sequences.past(document);
    }

    /** The most tokens that one has, with those it goes on from. */
    int longest() {
        return sequences.longest();
    }

    /** What {@code part} gives for each document, by its number and its length, one behind another along {@code dim}. */
    Tensor join(int dim, BiFunction<Integer, Integer, Tensor> part) {
        List<Tensor> parts = new ArrayList<>();
        for (int i = 0; i < count(); i++) {
            parts.add(part.apply(i, length(i)));
        }
        return Tensor.cat(parts, dim);
    }

    /** The stretch of {@code x} along {@code dim} that a document sees: what it goes on from, then itself. */
    Tensor seen(Tensor x, int dim, int document) {
        List<Tensor> parts = new ArrayList<>();
        for (int i = document; i >= 0; i = sequences.before(i)) {
            parts.addFirst(x.narrow(dim, start(i), length(i)));
        }
        return parts.size() == 1 ? parts.getFirst() : Tensor.cat(parts, dim);
    }
}
