package quern.data.internal;

import java.util.ArrayList;
import java.util.List;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.TokenStream;
import quern.recipe.QuernException;

/**
 * Which stretches of a stream are the rows of a batch: with {@code packing} windows over the concatenated documents,
 * otherwise documents, cut to a row's room. Every epoch takes them in another order, and windows from another first token.
 */
final class TextRows {
    /**
     * The text of one row.
     *
     * @param tokens the text
     * @param key the seed of what is drawn for this row in this epoch
     */
    record Row(int[] tokens, long key) {}

    private final TokenStream tokens;
    private final int rowsPerBatch;
    private final long seed;
    private final int room;
    private final boolean windows;
    private final long rows;

    /** Rows of at most {@code room} tokens; bad input when the stream is too short for one. */
    TextRows(Objective.Input input, int room) {
        this.tokens = input.tokens();
        this.rowsPerBatch = input.rowsPerBatch();
        this.seed = input.seed();
        this.room = room;
        this.windows = input.data().packing();
        this.rows = windows ? tokens.size() / room : tokens.documents();
        if (rows == 0) {
            throw QuernException.badInput(
                    "%s: %,d tokens, too short for rows of %,d; give more text or a smaller max_length",
                    tokens.origin(), tokens.size(), room);
        }
    }

    /** All rows of an epoch. */
    long count() {
        return rows;
    }

    /**
     * What rows of documents lose.
     *
     * @param documents that are longer than a row
     * @param tokens of them that are in no row
     */
    record Cut(long documents, long tokens) {}

    /** What is lost by the cutting; nothing where rows are windows. */
    Cut cut() {
        long documents = 0;
        long lost = 0;
        for (long i = 0; !windows && i < tokens.documents(); i++) {
            documents += size(i) > room ? 1 : 0;
            lost += Math.max(0, size(i) - room);
        }
        return new Cut(documents, lost);
    }

    long batchesPerEpoch() {
        return (rows + rowsPerBatch - 1) / rowsPerBatch;
    }

    /** What a cut loses, a line for a person. */
    List<String> notices() {
        long cut = cut().documents();
        return cut == 0
                ? List.of()
                : List.of("%,d of %,d documents are longer than a row's %,d tokens and lose the rest"
                        .formatted(cut, rows, room));
    }

    /** The rows of a batch. */
    List<Row> batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * rowsPerBatch;
        int count = (int) Math.min(rowsPerBatch, rows - start);
        Permutation order = new Permutation(rows, Mix.hash(seed, 2 * epoch));
        long spare = tokens.size() - rows * room + 1;
        long offset = windows ? Mix.below(seed, 2 * epoch + 1, Math.min(room, spare)) : 0;
        List<Row> batch = new ArrayList<>(count);
        for (int row = 0; row < count; row++) {
            long place = order.at(start + row);
            long from = windows ? offset + place * room : tokens.documentStart(place);
            int[] text = new int[windows ? room : (int) Math.min(room, size(place))];
            tokens.read(from, text, 0, text.length);
            batch.add(new Row(text, Mix.hash(Mix.hash(seed, ~epoch), start + row)));
        }
        return batch;
    }

    private long size(long document) {
        return tokens.documentStart(document + 1) - tokens.documentStart(document);
    }
}
