package quern.data.internal;

import java.util.stream.IntStream;
import quern.data.Tokenizer;

/** Which tokens end a sentence, by their text. Any number of threads may ask. */
public final class SentenceEnds {
    private static final String MARKS = ".!?\u2026\u3002\uff01\uff1f\u061f\u06d4\u0964";
    private static final String CLOSING = "\"'\u201d\u2019\u00bb)]";

    /** What a token is for sentences. */
    private enum Kind {
        /** Part of one. */
        INSIDE,
        /** Ends one, and belongs to it. */
        END,
        /** Closes a quotation or bracket; behind an end it belongs to the same sentence. */
        CLOSING
    }

    private final Tokenizer tokenizer;
    /** By id; null where nobody has asked. Threads that ask at once write the same. */
    private final Kind[] known;

    /** Of this tokenizer's tokens. */
    public SentenceEnds(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.known = new Kind[tokenizer.vocabularySize()];
    }

    private Kind kind(int id) {
        if (known[id] == null) {
            known[id] = kind(tokenizer.decode(new int[] {id}));
        }
        return known[id];
    }

    private static Kind kind(String text) {
        if (text.isEmpty()) {
            return Kind.INSIDE;
        }
        if (text.chars().allMatch(c -> CLOSING.indexOf(c) >= 0)) {
            return Kind.CLOSING;
        }
        String solid = text.strip();
        int last = solid.length();
        while (last > 0 && CLOSING.indexOf(solid.charAt(last - 1)) >= 0) {
            last--;
        }
        boolean mark = last > 0 && MARKS.indexOf(solid.charAt(last - 1)) >= 0;
        return mark || text.indexOf('\n') >= 0 ? Kind.END : Kind.INSIDE;
    }

    /**
     * Where sentences start, and behind them the length. Ends that follow each other, such as a full stop and a line's end,
     * are one.
     */
    public int[] starts(int[] text) {
        IntStream.Builder starts = IntStream.builder().add(0);
        boolean ended = false;
        for (int i = 0; i < text.length; i++) {
            Kind kind = kind(text[i]);
            if (ended && kind == Kind.INSIDE) {
                starts.add(i);
            }
            ended = kind == Kind.END || ended && kind == Kind.CLOSING;
        }
        return starts.add(text.length).build().toArray();
    }
}
