package quern.curate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.CausalLm;
import quern.data.Objective;
import quern.data.Tokenizer;
import quern.data.TooLong;

/**
 * The rows of next-token prediction one by one: windows of the concatenated texts, or whole documents. Any number of threads
 * may ask.
 */
public final class TextRows {
    /** Documents of a batch are read together, so batches of one keep a row cheap to find. */
    private static final int AT_ONCE = 1;

    private final BatchSource source;
    private final int columns;

    private TextRows(BatchSource source, int columns) {
        this.source = source;
        this.columns = columns;
    }

    /** The rows that {@code causal_lm} arranges of a text, in the order of the input's seed. */
    public static TextRows of(Objective.Input input) {
        Objective.Input single = new Objective.Input(
                input.tokens(), input.tokenizer(), input.data().withPacking(isWindows(input)), AT_ONCE, input.seed());
        return new TextRows(
                new CausalLm().source(single, new CausalLm.Config()),
                input.data().maxLength());
    }

    /** Whether rows are windows; otherwise a row is one document, which is never packed with others. */
    private static boolean isWindows(Objective.Input input) {
        return input.data().packing() && !input.tokens().hasPrompts();
    }

    /** What became of documents that are longer than a row; empty where rows are windows. */
    Optional<TooLong> tooLong() {
        return source.tooLong();
    }

    /** What a person should know about how the text was arranged, a line each. */
    List<String> notices() {
        return source.notices();
    }

    /** Rows in which every text occurs once. */
    public long count() {
        return source.batchesPerEpoch();
    }

    /** Tokens in a row, padding included. */
    public int columns() {
        return columns;
    }

    /** Row {@code index}, counted over all epochs: its tokens and what each is to predict. */
    private Batch row(long index) {
        return source.batch(index);
    }

    /**
     * Rows, padded on the right to {@link #columns}.
     *
     * @param indices of the rows, counted over all epochs
     */
    public TokenRows read(long... indices) {
        int[] ids = new int[Math.multiplyExact(indices.length, columns)];
        int[] labels = new int[ids.length];
        Arrays.fill(labels, Batch.NOT_COUNTED);
        for (int r = 0; r < indices.length; r++) {
            Batch row = row(indices[r]);
            System.arraycopy(row.inputIds(), 0, ids, r * columns, row.inputIds().length);
            System.arraycopy(row.labels(), 0, labels, r * columns, row.labels().length);
        }
        return new TokenRows(indices.length, columns, ids, labels);
    }

    /** {@code count} rows from {@code first} on. */
    public TokenRows range(long first, int count) {
        long[] indices = new long[count];
        Arrays.setAll(indices, i -> first + i);
        return read(indices);
    }

    /** The text of a row: what it reads and, of a window, what its last token is to predict. */
    String text(long index, Tokenizer tokenizer) {
        Batch row = row(index);
        List<Integer> ids = new ArrayList<>();
        for (int i = 0; i < row.lengths()[0]; i++) {
            ids.add(row.inputIds()[i]);
        }
        int last = row.labels()[row.lengths()[0] - 1];
        if (last != Batch.NOT_COUNTED) {
            ids.add(last);
        }
        return tokenizer.decode(ids.stream().mapToInt(Integer::intValue).toArray());
    }
}
