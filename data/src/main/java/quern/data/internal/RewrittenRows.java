package quern.data.internal;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.SpecialToken;
import quern.data.TooLong;

/** Batches for an encoder and a decoder: each row of text becomes a source to read and a target to write. */
public final class RewrittenRows implements BatchSource {
    /**
     * What becomes of a row.
     *
     * @param source what the encoder reads
     * @param target what the decoder is to write
     */
    public record Pair(int[] source, int[] target) {}

    /** Makes a pair of a row's text; a function of both arguments alone. */
    @FunctionalInterface
    public interface Rewriting {
        /** The pair; {@code key} is the seed of what it draws. */
        Pair of(int[] text, long key);
    }

    private final TextRows rows;
    private final Rewriting rewriting;
    private final int padding;

    /** Rows of at most {@code room} tokens of text, rewritten. */
    public RewrittenRows(Objective.Input input, int room, Rewriting rewriting) {
        this.rows = new TextRows(input, room);
        this.rewriting = rewriting;
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
    }

    @Override
    public long batchesPerEpoch() {
        return rows.batchesPerEpoch();
    }

    @Override
    public List<String> notices() {
        return rows.notices();
    }

    @Override
    public Optional<TooLong> tooLong() {
        return rows.tooLong();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        List<Pair> pairs = rows.batch(globalBatchIndex).stream()
                .map(row -> rewriting.of(row.tokens(), row.key()))
                .toList();
        int columns = pairs.stream().mapToInt(p -> p.source.length).max().orElse(0);
        int labelColumns = pairs.stream().mapToInt(p -> p.target.length).max().orElse(0);
        int[] ids = new int[pairs.size() * columns];
        int[] labels = new int[pairs.size() * labelColumns];
        int[] lengths = new int[pairs.size()];
        Arrays.fill(ids, padding);
        Arrays.fill(labels, Batch.NOT_COUNTED);
        for (int row = 0; row < lengths.length; row++) {
            Pair pair = pairs.get(row);
            lengths[row] = pair.source.length;
            System.arraycopy(pair.source, 0, ids, row * columns, pair.source.length);
            System.arraycopy(pair.target, 0, labels, row * labelColumns, pair.target.length);
        }
        return new Batch(lengths.length, columns, ids, labels, lengths, Batch.maskWherePadded(lengths, columns));
    }

    /** {@code text} without the token {@code last} at its end, where it stands there. */
    static int[] without(int[] text, int last) {
        return text.length > 0 && text[text.length - 1] == last ? Arrays.copyOf(text, text.length - 1) : text;
    }

    /** One after the other. */
    public static int[] joined(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(IntStream::of).toArray();
    }
}
