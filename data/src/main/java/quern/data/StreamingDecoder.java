package quern.data;

import java.util.Arrays;

/**
 * Turns ids that arrive one by one into text, giving only whole characters: bytes of an unfinished character wait for
 * the rest. Together the parts equal the decoding of all ids at once. For one thread.
 */
public final class StreamingDecoder {
    /** No character has more bytes than this, so after as many ids a replacement character is real. */
    private static final int LONGEST_WAIT = 8;

    private final Tokenizer tokenizer;
    private int[] ids = new int[64];
    private int start;
    private int shown;
    private int end;

    StreamingDecoder(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** Takes the next id and gives the text that is now complete, often empty inside a character. */
    public String push(int id) {
        if (end == ids.length) {
            compact();
        }
        ids[end++] = id;
        String all = tokenizer.decode(ids, start, end);
        if (all.endsWith("\uFFFD") && end - shown < LONGEST_WAIT) {
            return "";
        }
        return show(all);
    }

    /** The rest: an unfinished character becomes U+FFFD. */
    public String finish() {
        return shown == end ? "" : show(tokenizer.decode(ids, start, end));
    }

    private String show(String all) {
        String before = tokenizer.decode(ids, start, shown);
        // The next call decodes from the tokens shown here, since some decoders treat the first token differently.
        start = shown;
        shown = end;
        return all.length() > before.length() ? all.substring(before.length()) : "";
    }

    private void compact() {
        System.arraycopy(ids, start, ids, 0, end - start);
        shown -= start;
        end -= start;
        start = 0;
        if (end == ids.length) {
            ids = Arrays.copyOf(ids, ids.length * 2);
        }
    }
}
