package quern.data.internal;

import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Permutation;
import quern.data.TokenStream;
import quern.recipe.QuernException;

/**
 * Windows over a concatenated stream. Of the windows that fit one is given up, where there are two or more, so that
 * the offset of an epoch can be any from 0 to a whole window.
 */
public final class PackedWindows implements BatchSource {
    private final TokenStream tokens;
    private final int length;
    private final int rowsPerBatch;
    private final long seed;
    private final long windows;
    private final long offsets;

    /** Checks that the stream holds a window and the token after it. */
    public PackedWindows(TokenStream tokens, int length, int rowsPerBatch, long seed) {
        if (rowsPerBatch < 1) {
            throw new IllegalArgumentException("rowsPerBatch " + rowsPerBatch + " is below 1");
        }
        if (tokens.size() < length + 1L) {
            throw QuernException.badInput(
                    "%s: %,d tokens, too short for max_length %,d, which needs %,d; give more text or a smaller"
                            + " max_length",
                    tokens.origin(), tokens.size(), length, length + 1L);
        }
        this.tokens = tokens;
        this.length = length;
        this.rowsPerBatch = rowsPerBatch;
        this.seed = seed;
        long fitting = (tokens.size() - 1) / length;
        this.windows = Math.max(1, fitting - 1);
        this.offsets = Math.min(length, tokens.size() - windows * length);
    }

    @Override
    public long batchesPerEpoch() {
        return (windows + rowsPerBatch - 1) / rowsPerBatch;
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long first = globalBatchIndex % batchesPerEpoch() * rowsPerBatch;
        int rows = (int) Math.min(rowsPerBatch, windows - first);
        Permutation order = new Permutation(windows, Mix.hash(seed, 2 * epoch));
        long offset = Mix.below(seed, 2 * epoch + 1, offsets);
        int[] inputIds = new int[rows * length];
        int[] labels = new int[rows * length];
        int[] lengths = new int[rows];
        int[] window = new int[length + 1];
        for (int row = 0; row < rows; row++) {
            tokens.read(offset + order.at(first + row) * length, window, 0, length + 1);
            System.arraycopy(window, 0, inputIds, row * length, length);
            System.arraycopy(window, 1, labels, row * length, length);
            lengths[row] = length;
        }
        return new Batch(rows, length, inputIds, labels, lengths);
    }
}
