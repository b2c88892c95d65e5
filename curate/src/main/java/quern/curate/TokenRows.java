package quern.curate;

import java.util.Arrays;
import quern.data.Batch;

/**
 * Rows of tokens, row-major.
 *
 * @param rows rows
 * @param columns tokens in a row, padding on the right included
 * @param ids token ids
 * @param labels the token that each is to predict, {@link Batch#NOT_COUNTED} where none
 */
public record TokenRows(int rows, int columns, int[] ids, int[] labels) {
    /** Checks the sizes. */
    public TokenRows {
        int cells = Math.multiplyExact(rows, columns);
        if (ids.length != cells || labels.length != cells) {
            throw new IllegalArgumentException("%d ids and %d labels do not make %d rows of %d"
                    .formatted(ids.length, labels.length, rows, columns));
        }
    }

    /** Some of the rows. */
    TokenRows pick(int[] chosen) {
        int[] someIds = new int[chosen.length * columns];
        int[] someLabels = new int[someIds.length];
        for (int r = 0; r < chosen.length; r++) {
            System.arraycopy(ids, chosen[r] * columns, someIds, r * columns, columns);
            System.arraycopy(labels, chosen[r] * columns, someLabels, r * columns, columns);
        }
        return new TokenRows(chosen.length, columns, someIds, someLabels);
    }

    /** Tokens of a row up to the last that is to predict something. */
    int length(int row) {
        int length = columns;
        while (length > 1 && labels[row * columns + length - 1] == Batch.NOT_COUNTED) {
            length--;
        }
        return length;
    }

    /** Positions that are to predict something. */
    public long counted() {
        return Arrays.stream(labels).filter(label -> label != Batch.NOT_COUNTED).count();
    }
}
