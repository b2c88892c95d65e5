package quern.data;

/**
 * Rows of token ids and what comes after each. Row-major, {@code rows} x {@code columns}.
 *
 * @param rows rows
 * @param columns tokens in a row, padding included
 * @param inputIds token ids; 0 in the padding at a row's right end
 * @param labels the token that follows each input; {@link #NOT_COUNTED} where none is to be predicted
 * @param lengths tokens of each row that are not padding
 */
public record Batch(int rows, int columns, int[] inputIds, int[] labels, int[] lengths) {
    /** The label of a position without a target. */
    public static final int NOT_COUNTED = -100;

    /** Checks that the sizes agree. */
    public Batch {
        int cells = Math.multiplyExact(rows, columns);
        if (inputIds.length != cells || labels.length != cells || lengths.length != rows) {
            throw new IllegalArgumentException("%d input ids, %d labels and %d lengths do not make %d rows of %d"
                    .formatted(inputIds.length, labels.length, lengths.length, rows, columns));
        }
    }

    /** Positions with a target: the denominator of a mean loss. */
    public long countedTokens() {
        long counted = 0;
        for (int label : labels) {
            counted += label == NOT_COUNTED ? 0 : 1;
        }
        return counted;
    }

    /** Input tokens that are not padding. */
    public long realTokens() {
        long real = 0;
        for (int length : lengths) {
            real += length;
        }
        return real;
    }
}
