package quern.data.internal;

import java.util.OptionalInt;
import quern.data.SpecialToken;
import quern.data.Tokenizer;

/**
 * The tokens that a row of text stands between: {@code cls_token} and {@code sep_token} where a tokenizer has both, otherwise
 * nothing and its end-of-text token.
 */
public final class FramedText {
    private final int[] first;
    private final int[] last;

    private FramedText(int[] first, int[] last) {
        this.first = first;
        this.last = last;
    }

    /** The frame of this tokenizer's rows. */
    public static FramedText of(Tokenizer tokenizer) {
        OptionalInt cls = tokenizer.special(SpecialToken.CLS_TOKEN);
        OptionalInt sep = tokenizer.special(SpecialToken.SEP_TOKEN);
        return cls.isPresent() && sep.isPresent()
                ? new FramedText(new int[] {cls.getAsInt()}, new int[] {sep.getAsInt()})
                : new FramedText(new int[0], tokenizer.endOfText().stream().toArray());
    }

    /** Tokens that frame a row. */
    public int size() {
        return first.length + last.length;
    }

    /** A row without the closing token, where a document's end has put it there already. */
    public int[] bare(int[] row) {
        return last.length == 0 ? row : RewrittenRows.without(row, last[0]);
    }

    /** A text in its frame. */
    public int[] around(int[] text) {
        return RewrittenRows.joined(first, text, last);
    }
}
