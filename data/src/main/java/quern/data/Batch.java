package quern.data;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/**
 * Rows of token ids and what is to be predicted of each. Row-major, {@code rows} x {@code columns}, or, of whole documents,
 * unpadded: the rows lie one behind another, each with as many tokens as it has, divided into documents that do not see each
 * other.
 *
 * @param rows rows
 * @param columns tokens in a row, padding included; unpadded, tokens of the longest row
 * @param inputIds token ids; 0 in the padding at a row's right end unless the objective knows a padding token
 * @param labels what each position is to predict, {@code rows} times as many as the objective's rows have labels; {@link
 *     #NOT_COUNTED} where nothing is
 * @param lengths tokens of each row that are not padding
 * @param documents unpadded: tokens of each document, in order, of which none reaches over a row's end; otherwise empty
 * @param others what else a model reads, by transformers' names: {@code attention_mask}, {@code token_type_ids}…
 */
public record Batch(
        int rows,
        int columns,
        int[] inputIds,
        int[] labels,
        int[] lengths,
        int[] documents,
        Map<String, Values> others) {
    /** The label of a position without a target. */
    public static final int NOT_COUNTED = -100;

    /** The name of what the losses of the rows count, where they don't count the same; reals [B]. */
    public static final String ROW_WEIGHTS = "row_weights";

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
        boolean unpadded = documents.length > 0;
        int cells = unpadded ? Arrays.stream(lengths).sum() : Math.multiplyExact(rows, columns);
        if (unpadded
                && (labels.length != cells
                        || !Set.of(ROW_WEIGHTS).containsAll(others.keySet())
                        || !divides(documents, lengths))) {
            throw new IllegalArgumentException(
                    "%d labels, documents of %s tokens and other values %s do not fit unpadded rows of %s tokens"
                            .formatted(
                                    labels.length,
                                    Arrays.toString(documents),
                                    others.keySet(),
                                    Arrays.toString(lengths)));
        }
        if (inputIds.length != cells || !unpadded && labels.length % Math.max(1, rows) != 0 || lengths.length != rows) {
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

    /** A padded batch. */
    public Batch(int rows, int columns, int[] inputIds, int[] labels, int[] lengths, Map<String, Values> others) {
        this(rows, columns, inputIds, labels, lengths, new int[0], others);
    }

    /** A padded batch of token ids and labels alone. */
    public Batch(int rows, int columns, int[] inputIds, int[] labels, int[] lengths) {
        this(rows, columns, inputIds, labels, lengths, Map.of());
    }

    /**
     * Whole documents without padding.
     *
     * @param lengths tokens of each row
     * @param documents tokens of each document
     */
    public static Batch unpadded(int[] inputIds, int[] labels, int[] lengths, int[] documents) {
        int longest = Arrays.stream(lengths).max().orElse(0);
        return new Batch(lengths.length, longest, inputIds, labels, lengths, documents, Map.of());
    }

    /** A new map, with an {@code attention_mask} where some row is padded. */
    public static Map<String, Values> maskWherePadded(int[] lengths, int columns) {
        Map<String, Values> others = new HashMap<>();
        if (Arrays.stream(lengths).anyMatch(length -> length < columns)) {
            int[] mask = new int[lengths.length * columns];
            for (int row = 0; row < lengths.length; row++) {
                Arrays.fill(mask, row * columns, row * columns + lengths[row], 1);
            }
            others.put("attention_mask", new Values.Ints(mask, lengths.length, columns));
        }
        return others;
    }

    /** The same with a weight for the loss of each row. */
    public Batch withRowWeights(float... weights) {
        Map<String, Values> all = new HashMap<>(others);
        all.put(ROW_WEIGHTS, new Values.Floats(weights, weights.length));
        return new Batch(rows, columns, inputIds, labels, lengths, documents, all);
    }

    /** What the losses of the rows count; 1 unless given. */
    public float[] rowWeights() {
        if (others.get(ROW_WEIGHTS) instanceof Values.Floats given) {
            return given.values();
        }
        float[] same = new float[rows];
        Arrays.fill(same, 1);
        return same;
    }

    private static boolean divides(int[] documents, int[] lengths) {
        int at = 0;
        for (int length : lengths) {
            int sum = 0;
            while (sum < length && at < documents.length && documents[at] > 0) {
                sum += documents[at++];
            }
            if (sum != length) {
                return false;
            }
        }
        return at == documents.length;
    }

    /** Whether the rows lie one behind another without padding. */
    public boolean isUnpadded() {
        return documents.length > 0;
    }

    /** Where a row starts in the ids. */
    public int start(int row) {
        return isUnpadded() ? Arrays.stream(lengths, 0, row).sum() : row * columns;
    }

    /** Labels in a row of a padded batch. */
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
