package quern.data.internal;

import java.util.Arrays;
import java.util.List;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Permutation;
import quern.data.TokenStream;
import quern.recipe.QuernException;

/** A row a document. A document of a single token has nothing to predict and is left out. */
public final class DocumentRows implements BatchSource {
    private final TokenStream tokens;
    private final int length;
    private final int rowsPerBatch;
    private final long seed;
    private final long rows;
    /** The documents with a target; null where all have one. */
    private final long[] chosen;

    private final List<String> notices;

    /** Measures every document once. */
    public DocumentRows(TokenStream tokens, int length, int rowsPerBatch, long seed) {
        if (rowsPerBatch < 1) {
            throw new IllegalArgumentException("rowsPerBatch " + rowsPerBatch + " is below 1");
        }
        this.tokens = tokens;
        this.length = length;
        this.rowsPerBatch = rowsPerBatch;
        this.seed = seed;
        long usable = 0;
        long cut = 0;
        long cutTokens = 0;
        for (long i = 0; i < tokens.documents(); i++) {
            long size = size(i);
            usable += size >= 2 ? 1 : 0;
            if (size > length + 1L) {
                cut++;
                cutTokens += size - length - 1;
            }
        }
        if (usable == 0) {
            throw QuernException.badInput(
                    "%s: %,d tokens in %,d documents and none has the 2 tokens that a row needs; give more text",
                    tokens.origin(), tokens.size(), tokens.documents());
        }
        this.rows = usable;
        this.chosen = usable == tokens.documents() ? null : choose((int) usable);
        this.notices = cut == 0
                ? List.of()
                : List.of("%,d of %,d documents are longer than max_length %,d and lose %,d of %,d tokens (%.1f%%)"
                        .formatted(cut, usable, length, cutTokens, tokens.size(), 100.0 * cutTokens / tokens.size()));
    }

    private long size(long document) {
        return tokens.documentStart(document + 1) - tokens.documentStart(document);
    }

    private long[] choose(int count) {
        long[] documents = new long[count];
        int n = 0;
        for (long i = 0; i < tokens.documents(); i++) {
            if (size(i) >= 2) {
                documents[n++] = i;
            }
        }
        return documents;
    }

    @Override
    public List<String> notices() {
        return notices;
    }

    @Override
    public long batchesPerEpoch() {
        return (rows + rowsPerBatch - 1) / rowsPerBatch;
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long first = globalBatchIndex % batchesPerEpoch() * rowsPerBatch;
        int count = (int) Math.min(rowsPerBatch, rows - first);
        Permutation order = new Permutation(rows, Mix.hash(seed, epoch));
        long[] documents = new long[count];
        int[] lengths = new int[count];
        int columns = 0;
        for (int row = 0; row < count; row++) {
            long place = order.at(first + row);
            documents[row] = chosen == null ? place : chosen[(int) place];
            lengths[row] = (int) Math.min(length, size(documents[row]) - 1);
            columns = Math.max(columns, lengths[row]);
        }
        int[] inputIds = new int[count * columns];
        int[] labels = new int[count * columns];
        Arrays.fill(labels, Batch.NOT_COUNTED);
        for (int row = 0; row < count; row++) {
            long start = tokens.documentStart(documents[row]);
            tokens.read(start, inputIds, row * columns, lengths[row]);
            tokens.read(start + 1, labels, row * columns, lengths[row]);
        }
        return new Batch(count, columns, inputIds, labels, lengths);
    }
}
