package quern.data.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.data.FittingDocuments;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.TokenStream;
import quern.data.TooLong;
import quern.recipe.QuernException;

/**
 * Which stretches of a stream are the rows of a batch: with {@code packing} windows over the concatenated documents,
 * otherwise documents, of which those longer than a row's room become what {@code on_too_long} says. Every epoch takes them in another order, and windows from another first token.
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
    /** Absent where rows are windows. */
    private final Optional<FittingDocuments> documents;

    private final long rows;

    /** Rows of at most {@code room} tokens; bad input when the stream is too short for one. */
    TextRows(Objective.Input input, int room) {
        this.tokens = input.tokens();
        this.rowsPerBatch = input.rowsPerBatch();
        this.seed = input.seed();
        this.room = room;
        this.documents = input.data().packing()
                ? Optional.empty()
                : Optional.of(new FittingDocuments(tokens, room, input.data().onTooLong()));
        this.rows = documents.map(FittingDocuments::count).orElse(tokens.size() / room);
        if (rows == 0) {
            throw QuernException.badInput(
                    "%s: %,d tokens, too short for rows of %,d; give more text or a smaller max_length",
                    tokens.origin(), tokens.size(), room);
        }
    }

    long batchesPerEpoch() {
        return (rows + rowsPerBatch - 1) / rowsPerBatch;
    }

    /** What became of documents longer than a row; empty where rows are windows. */
    Optional<TooLong> tooLong() {
        return documents.map(FittingDocuments::tooLong);
    }

    /** The same for a person. */
    List<String> notices() {
        return documents.map(FittingDocuments::notices).orElse(List.of());
    }

    /** The rows of a batch. */
    List<Row> batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * rowsPerBatch;
        int count = (int) Math.min(rowsPerBatch, rows - start);
        Permutation order = new Permutation(rows, Mix.hash(seed, 2 * epoch));
        long spare = tokens.size() - rows * room + 1;
        boolean windows = documents.isEmpty();
        long offset = windows ? Mix.below(seed, 2 * epoch + 1, Math.min(room, spare)) : 0;
        List<Row> batch = new ArrayList<>(count);
        for (int row = 0; row < count; row++) {
            long place = order.at(start + row);
            long from = windows ? offset + place * room : documents.get().start(place);
            int[] text = new int[windows ? room : documents.get().length(place)];
            tokens.read(from, text, 0, text.length);
            batch.add(new Row(text, Mix.hash(Mix.hash(seed, ~epoch), start + row)));
        }
        return batch;
    }
}
