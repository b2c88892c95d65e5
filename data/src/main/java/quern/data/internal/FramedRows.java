package quern.data.internal;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Objective;
import quern.data.SpecialToken;
import quern.data.TooLong;
import quern.recipe.QuernException;

/**
 * Rows of text between the tokenizer's {@code cls_token} and {@code sep_token} (bare where it lacks one), with hidden
 * tokens: windows over the concatenated stream, or documents cut to the row's length.
 */
public final class FramedRows implements BatchSource {
    private final MaskedTokens masked;
    private final OptionalInt first;
    private final OptionalInt last;
    private final int padding;
    private final TextRows rows;

    /** Measures the stream once. */
    public FramedRows(Objective.Input input, MaskedTokens masked) {
        this.masked = masked;
        boolean framed = input.tokenizer().special(SpecialToken.CLS_TOKEN).isPresent()
                && input.tokenizer().special(SpecialToken.SEP_TOKEN).isPresent();
        this.first = framed ? input.tokenizer().special(SpecialToken.CLS_TOKEN) : OptionalInt.empty();
        this.last = framed ? input.tokenizer().special(SpecialToken.SEP_TOKEN) : OptionalInt.empty();
        this.padding = input.tokenizer().special(SpecialToken.PAD_TOKEN).orElse(0);
        int room = input.data().maxLength() - (framed ? 2 : 0);
        if (room < 1) {
            throw QuernException.badInput(
                    "max_length: %d tokens leave no room for text between cls_token and sep_token; raise it",
                    input.data().maxLength());
        }
        this.rows = new TextRows(input, room);
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
    public long batchesPerEpoch() {
        return rows.batchesPerEpoch();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        List<TextRows.Row> texts = rows.batch(globalBatchIndex);
        int count = texts.size();
        int frame = first.isPresent() ? 2 : 0;
        int columns =
                texts.stream().mapToInt(t -> t.tokens().length + frame).max().orElse(0);
        int[] ids = new int[count * columns];
        int[] labels = MaskedTokens.noLabels(count * columns);
        int[] lengths = new int[count];
        Arrays.fill(ids, padding);
        for (int row = 0; row < count; row++) {
            int[] text = texts.get(row).tokens();
            int at = row * columns;
            lengths[row] = text.length + frame;
            if (first.isPresent()) {
                ids[at] = first.getAsInt();
                ids[at + lengths[row] - 1] = last.getAsInt();
                at++;
            }
            System.arraycopy(text, 0, ids, at, text.length);
            masked.hide(ids, labels, at, text.length, texts.get(row).key());
        }
        return new Batch(count, columns, ids, labels, lengths, Batch.maskWherePadded(lengths, columns));
    }
}
