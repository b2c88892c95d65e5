package quern.data.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.BlankInfilling;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.SpecialToken;
import quern.data.TooLong;
import quern.recipe.QuernException;

/** Rows of a text with blanks and of what belongs in them; what is drawn for a row is a function of its key alone. */
public final class BlankedRows implements BatchSource {
    private final TextRows rows;
    private final BlankInfilling.Config config;
    private final int longest;
    private final int mask;
    private final int start;
    private final int end;
    private final int padding;

    /** With these tokens for a blank and around a span. */
    public BlankedRows(Objective.Input input, BlankInfilling.Config config, int mask, int start, int end) {
        this.config = config;
        this.mask = mask;
        this.start = start;
        this.end = end;
        this.longest = input.data().maxLength();
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
        // A span adds its mask and its start token; room for twice as many spans as there are on average.
        int room = (int) (longest / (1 + 4 * config.noiseDensity() / Math.max(1, config.poissonLambda())));
        room = Math.min(room, longest - 2);
        if (room < 2) {
            throw QuernException.badInput(
                    "max_length: rows of %d tokens are too short to take a span out and write it behind; raise it",
                    longest);
        }
        this.rows = new TextRows(input, room);
    }

    /** A span of a text. */
    record Span(int from, int length) {}

    /** A row: its tokens, what each is to predict, both positions, and the length of part A. */
    record Row(int[] ids, int[] labels, int[] positions, int[] blocks, int prefix) {}

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
        List<Row> made = rows.batch(globalBatchIndex).stream()
                .map(row -> row(row.tokens(), row.key()))
                .toList();
        int columns = made.stream().mapToInt(row -> row.ids.length).max().orElse(0);
        int[] ids = new int[made.size() * columns];
        int[] labels = MaskedTokens.noLabels(ids.length);
        int[] positions = new int[ids.length];
        int[] blocks = new int[ids.length];
        int[] lengths = new int[made.size()];
        int[] prefixes = new int[made.size()];
        Arrays.fill(ids, padding);
        for (int i = 0; i < lengths.length; i++) {
            Row row = made.get(i);
            int at = i * columns;
            lengths[i] = row.ids.length;
            prefixes[i] = row.prefix;
            System.arraycopy(row.ids, 0, ids, at, lengths[i]);
            System.arraycopy(row.labels, 0, labels, at, lengths[i]);
            System.arraycopy(row.positions, 0, positions, at, lengths[i]);
            System.arraycopy(row.blocks, 0, blocks, at, lengths[i]);
        }
        Map<String, Batch.Values> others = new HashMap<>(Batch.maskWherePadded(lengths, columns));
        others.put("prefix_lengths", new Batch.Values.Ints(prefixes, prefixes.length));
        others.put("text_positions", new Batch.Values.Ints(positions, lengths.length, columns));
        others.put("block_positions", new Batch.Values.Ints(blocks, lengths.length, columns));
        return new Batch(lengths.length, columns, ids, labels, lengths, others);
    }

    /** The row of a text with the spans that its key draws. */
    Row row(int[] text, long key) {
        List<Span> spans = Mix.unit(key, -1) < config.documentProbability()
                ? List.of(longSpan(text.length, key))
                : shortSpans(text.length, key);
        return row(text, spans, new Permutation(spans.size(), Mix.hash(key, -3)));
    }

    /** The row of a text with these spans, in order, written in another order. */
    Row row(int[] text, List<Span> spans, Permutation order) {
        int noise = spans.stream().mapToInt(Span::length).sum();
        int prefix = text.length - noise + spans.size();
        int size = prefix + noise + spans.size();
        int[] ids = new int[size];
        int[] labels = MaskedTokens.noLabels(size);
        int[] positions = new int[size];
        int[] blocks = new int[size];
        int[] blanks = new int[spans.size()];
        int at = 0;
        int from = 0;
        for (int i = 0; i < blanks.length; i++) {
            int kept = spans.get(i).from - from;
            System.arraycopy(text, from, ids, at, kept);
            at += kept;
            blanks[i] = at;
            ids[at++] = mask;
            from = spans.get(i).from + spans.get(i).length;
        }
        System.arraycopy(text, from, ids, at, text.length - from);
        for (int i = 0; i < prefix; i++) {
            positions[i] = i;
        }
        at = prefix;
        for (int i = 0; i < blanks.length; i++) {
            int chosen = (int) order.at(i);
            Span span = spans.get(chosen);
            Arrays.fill(positions, at, at + span.length + 1, blanks[chosen]);
            ids[at] = start;
            for (int j = 0; j < span.length; j++) {
                labels[at + j] = text[span.from + j];
                blocks[at + j] = j + 1;
                ids[at + j + 1] = text[span.from + j];
            }
            labels[at + span.length] = end;
            blocks[at + span.length] = span.length + 1;
            at += span.length + 1;
        }
        return new Row(ids, labels, positions, blocks, prefix);
    }

    /** Half of the text or more, anywhere. */
    private static Span longSpan(int length, long key) {
        int least = Math.max(1, length / 2);
        int size = least + (int) Mix.below(key, -4, length - least + 1L);
        return new Span((int) Mix.below(key, -5, length - size + 1L), size);
    }

    /** Spans whose lengths are Poisson numbers, in different gaps between kept tokens, any choice of gaps as likely. */
    private List<Span> shortSpans(int length, long key) {
        int noise = Math.max(1, (int) Math.round(length * config.noiseDensity()));
        int most = Math.max(1, Math.min((longest - length) / 2, length - noise + 1));
        List<Integer> sizes = new ArrayList<>();
        int left = noise;
        for (int draw = 0; left > 0 && sizes.size() < most; draw++) {
            int size = Math.min(left, InfilledText.poisson(Mix.hash(Mix.hash(key, -6), draw), config.poissonLambda()));
            if (size > 0) {
                sizes.add(size);
                left -= size;
            }
        }
        int kept = length - (noise - left);
        int gaps = kept + 1;
        List<Span> spans = new ArrayList<>();
        int at = 0;
        for (int gap = 0; gap < gaps; gap++) {
            if (Mix.below(Mix.hash(key, -7), gap, gaps - gap) < sizes.size() - spans.size()) {
                Span span = new Span(at, sizes.get(spans.size()));
                spans.add(span);
                at += span.length;
            }
            at += gap < kept ? 1 : 0;
        }
        return spans;
    }
}
