package quern.data;

import java.util.Arrays;
import java.util.Iterator;
import java.util.NoSuchElementException;
import quern.recipe.QuernException;

/**
 * A whole stream in order, in windows that do not overlap: every token but the first is a target exactly once. The last
 * window may be shorter and is padded on the right.
 */
public final class Windows implements Iterable<Batch> {
    private final TokenStream tokens;
    private final int length;
    private final int rowsPerBatch;
    private final long windows;

    private Windows(TokenStream tokens, int length, int rowsPerBatch) {
        this.tokens = tokens;
        this.length = length;
        this.rowsPerBatch = rowsPerBatch;
        this.windows = (tokens.size() - 1 + length - 1) / length;
    }

    /**
     * The windows of a stream.
     *
     * @throws QuernException for a stream of fewer than two tokens
     */
    public static Windows over(TokenStream tokens, int maxLength, int rowsPerBatch) {
        if (maxLength < 1 || rowsPerBatch < 1) {
            throw new IllegalArgumentException("maxLength " + maxLength + ", rowsPerBatch " + rowsPerBatch);
        }
        if (tokens.size() < 2) {
            throw QuernException.badInput(
                    "%s: %,d tokens, too short to evaluate, which needs 2; give more text",
                    tokens.origin(), tokens.size());
        }
        return new Windows(tokens, maxLength, rowsPerBatch);
    }

    /** Batches. */
    public long batches() {
        return (windows + rowsPerBatch - 1) / rowsPerBatch;
    }

    /** Targets in all batches. */
    public long countedTokens() {
        return tokens.size() - 1;
    }

    /** Batch number {@code index}, from 0. */
    public Batch batch(long index) {
        long first = index * rowsPerBatch;
        int rows = (int) Math.min(rowsPerBatch, windows - first);
        if (index < 0 || rows < 1) {
            throw new IndexOutOfBoundsException("batch " + index + " of " + batches());
        }
        // A lone window is as wide as its content; rows beside each other share the full width.
        int columns = (int) Math.min(length, countedTokens() - first * length);
        int[] inputIds = new int[rows * columns];
        int[] labels = new int[rows * columns];
        Arrays.fill(labels, Batch.NOT_COUNTED);
        int[] lengths = new int[rows];
        for (int row = 0; row < rows; row++) {
            long from = (first + row) * length;
            lengths[row] = (int) Math.min(length, countedTokens() - from);
            tokens.read(from, inputIds, row * columns, lengths[row]);
            tokens.read(from + 1, labels, row * columns, lengths[row]);
        }
        return new Batch(rows, columns, inputIds, labels, lengths);
    }

    @Override
    public Iterator<Batch> iterator() {
        return new Iterator<>() {
            private long next;

            @Override
            public boolean hasNext() {
                return next < batches();
            }

            @Override
            public Batch next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                return batch(next++);
            }
        };
    }
}
