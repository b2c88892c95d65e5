package quern.data.internal;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.Permutation;
import quern.data.SpecialToken;
import quern.data.TokenStream;
import quern.recipe.QuernException;

/**
 * Rows of text between the tokenizer's {@code cls_token} and {@code sep_token} (bare where it lacks one), with hidden
 * tokens: windows over the concatenated stream, or documents cut to the row's length.
 */
public final class FramedRows implements BatchSource {
    private final Objective.Input input;
    private final MaskedTokens masked;
    private final TokenStream tokens;
    private final OptionalInt first;
    private final OptionalInt last;
    /** Tokens of text in a row. */
    private final int room;

    private final int padding;
    private final long rows;
    /** Whether rows are windows over the stream rather than documents. */
    private final boolean windows;

    private final List<String> notices;

    /** Measures the stream once. */
    public FramedRows(Objective.Input input, MaskedTokens masked) {
        this.input = input;
        this.masked = masked;
        this.tokens = input.tokens();
        boolean framed = input.tokenizer().special(SpecialToken.CLS_TOKEN).isPresent()
                && input.tokenizer().special(SpecialToken.SEP_TOKEN).isPresent();
        this.first = framed ? input.tokenizer().special(SpecialToken.CLS_TOKEN) : OptionalInt.empty();
        this.last = framed ? input.tokenizer().special(SpecialToken.SEP_TOKEN) : OptionalInt.empty();
        this.room = input.data().maxLength() - (framed ? 2 : 0);
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
        if (room < 1) {
            throw QuernException.badInput(
                    "max_length: %d tokens leave no room for text between cls_token and sep_token; raise it",
                    input.data().maxLength());
        }
        this.windows = input.data().packing();
        this.rows = windows ? tokens.size() / room : tokens.documents();
        this.notices = windows ? List.of() : cutNotices();
        if (rows == 0) {
            throw QuernException.badInput(
                    "%s: %,d tokens, too short for rows of %,d; give more text or a smaller max_length",
                    tokens.origin(), tokens.size(), room);
        }
    }

    private List<String> cutNotices() {
        long cut = 0;
        long cutTokens = 0;
        for (long i = 0; i < tokens.documents(); i++) {
            if (size(i) > room) {
                cut++;
                cutTokens += size(i) - room;
            }
        }
        return cut == 0
                ? List.of()
                : List.of("%,d of %,d documents are longer than a row's %,d tokens and lose %,d of %,d tokens (%.1f%%)"
                        .formatted(cut, rows, room, cutTokens, tokens.size(), 100.0 * cutTokens / tokens.size()));
    }

    private long size(long document) {
        return tokens.documentStart(document + 1) - tokens.documentStart(document);
    }

    @Override
    public List<String> notices() {
        return notices;
    }

    @Override
    public long batchesPerEpoch() {
        return (rows + input.rowsPerBatch() - 1) / input.rowsPerBatch();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long start = globalBatchIndex % batchesPerEpoch() * input.rowsPerBatch();
        int count = (int) Math.min(input.rowsPerBatch(), rows - start);
        Permutation order = new Permutation(rows, Mix.hash(input.seed(), 2 * epoch));
        // Of windows, each epoch begins at another of the tokens that are left over.
        long spare = tokens.size() - rows * room + 1;
        long offset = windows ? Mix.below(input.seed(), 2 * epoch + 1, Math.min(room, spare)) : 0;
        long[] from = new long[count];
        int[] text = new int[count];
        int frame = first.isPresent() ? 2 : 0;
        int columns = 0;
        for (int row = 0; row < count; row++) {
            long place = order.at(start + row);
            from[row] = windows ? offset + place * room : tokens.documentStart(place);
            text[row] = windows ? room : (int) Math.min(room, size(place));
            columns = Math.max(columns, text[row] + frame);
        }
        int[] ids = new int[count * columns];
        int[] labels = MaskedTokens.noLabels(count * columns);
        int[] lengths = new int[count];
        Arrays.fill(ids, padding);
        for (int row = 0; row < count; row++) {
            int at = row * columns;
            lengths[row] = text[row] + frame;
            if (first.isPresent()) {
                ids[at] = first.getAsInt();
                ids[at + lengths[row] - 1] = last.getAsInt();
                at++;
            }
            tokens.read(from[row], ids, at, text[row]);
            masked.hide(ids, labels, at, text[row], Mix.hash(Mix.hash(input.seed(), ~epoch), start + row));
        }
        return new Batch(count, columns, ids, labels, lengths, maskWherePadded(lengths, columns));
    }

    /** An {@code attention_mask} where some row is padded. */
    static Map<String, Batch.Values> maskWherePadded(int[] lengths, int columns) {
        Map<String, Batch.Values> others = new HashMap<>();
        if (Arrays.stream(lengths).anyMatch(length -> length < columns)) {
            int[] mask = new int[lengths.length * columns];
            for (int row = 0; row < lengths.length; row++) {
                Arrays.fill(mask, row * columns, row * columns + lengths[row], 1);
            }
            others.put("attention_mask", new Batch.Values.Ints(mask, lengths.length, columns));
        }
        return others;
    }
}
