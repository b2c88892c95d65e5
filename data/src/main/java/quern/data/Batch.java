package quern.data;

import java.util.Arrays;
import java.util.Map;

/**
 * Rows of token ids and what is to be predicted of each. Row-major, {@code rows} x {@code columns}.
 *
 * @param rows rows
 * @param columns tokens in a row, padding included
 * @param inputIds token ids; 0 in the padding at a row's right end unless the objective knows a padding token
 * @param labels what each position is to predict, {@code rows} times as many as the objective's rows have labels; {@link
 *     #NOT_COUNTED} where nothing is
 * @param lengths tokens of each row that are not padding
 * @param others what else a model reads, by transformers' names: {@code attention_mask}, {@code token_type_ids}…
 */
public record Batch(int rows, int columns, int[] inputIds, int[] labels, int[] lengths, Map<String, Values> others) {
    /** The label of a position without a target. */
    public static final int NOT_COUNTED = -100;

    /** Numbers for a model beside the token ids. */
    public sealed interface Values {
        /** Their shape, rows first. */
        int[] shape();

        /** Whole numbers. */
        record Ints(int[] values, int... shape) implements Values {
            /** Checks the size. */
            public Ints {
                check(values.length, shape);
            }
        }

        /** Real numbers. */
        record Floats(float[] values, int... shape) implements Values {
            /** Checks the size. */
            public Floats {
                check(values.length, shape);
            }
        }

        private static void check(int size, int[] shape) {
            if (Arrays.stream(shape).reduce(1, Math::multiplyExact) != size) {
                throw new IllegalArgumentException(size + " values do not fill " + Arrays.toString(shape));
            }
        }
    }

    /** Checks that the sizes agree. */
    public Batch {
        int cells = Math.multiplyExact(rows, columns);
        if (inputIds.length != cells || labels.length % Math.max(1, rows) != 0 || lengths.length != rows) {
            throw new IllegalArgumentException("%d input ids, %d labels and %d lengths do not make %d rows of %d"
                    .formatted(inputIds.length, labels.length, lengths.length, rows, columns));
        }
        others = Map.copyOf(others);
        others.forEach((name, values) -> {
            if (values.shape()[0] != rows) {
                throw new IllegalArgumentException(name + " is for " + values.shape()[0] + " rows, not " + rows);
            }
        });
    }

    /** A batch of token ids and labels alone. */
    public Batch(int rows, int columns, int[] inputIds, int[] labels, int[] lengths) {
        this(rows, columns, inputIds, labels, lengths, Map.of());
    }
    /** Labels in a row. */
    public int labelColumns() {
        return rows == 0 ? 0 : labels.length / rows;
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
