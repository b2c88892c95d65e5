package quern.data.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.PrefixLm;
import quern.data.SpecialToken;
import quern.data.TooLong;

/**
 * Rows of text cut in two: {@code prefix_lengths} says where, and labels count behind it. A row has a prefix of one token at
 * least and of all but one at most; one of a single token has nothing to predict.
 */
public final class PrefixedRows implements BatchSource {
    private final TextRows rows;
    private final PrefixLm.Config config;
    private final int padding;

    /** Rows of at most {@code max_length} tokens. */
    public PrefixedRows(Objective.Input input, PrefixLm.Config config) {
        this.rows = new TextRows(input, input.data().maxLength());
        this.config = config;
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
        List<TextRows.Row> texts = rows.batch(globalBatchIndex);
        int columns = texts.stream().mapToInt(row -> row.tokens().length).max().orElse(0);
        int[] ids = new int[texts.size() * columns];
        int[] labels = new int[ids.length];
        int[] lengths = new int[texts.size()];
        int[] prefixes = new int[texts.size()];
        Arrays.fill(ids, padding);
        Arrays.fill(labels, Batch.NOT_COUNTED);
        for (int row = 0; row < lengths.length; row++) {
            int[] text = texts.get(row).tokens();
            int start = row * columns;
            lengths[row] = text.length;
            prefixes[row] = prefix(text.length, texts.get(row).key());
            System.arraycopy(text, 0, ids, start, text.length);
            // The prefix's last token is the first that has something to predict.
            for (int i = prefixes[row] - 1; i < text.length - 1; i++) {
                labels[start + i] = text[i + 1];
            }
        }
        Map<String, Batch.Values> others = new HashMap<>(Batch.maskWherePadded(lengths, columns));
        others.put("prefix_lengths", new Batch.Values.Ints(prefixes, prefixes.length));
        return new Batch(lengths.length, columns, ids, labels, lengths, others);
    }

    private int prefix(int length, long key) {
        int most = Math.max(1, length - 1);
        int least = Math.clamp((long) Math.ceil(config.minPrefixShare() * length), 1, most);
        int largest = Math.clamp((long) Math.floor(config.maxPrefixShare() * length), least, most);
        return least + (int) Mix.below(key, 0, largest - least + 1L);
    }
}
