package quern.data.internal;

import java.util.Arrays;
import quern.data.TokenStream;

/** The tokens of a stream whose documents are made anew, gathered one document after another. */
public final class RemadeTokens {
    /** Two epochs of so many tokens are held at once: 400 MB. */
    public static final long MOST = 50_000_000;

    private final TokenStream plain;
    private final long[] starts;
    private int[] all;
    private int size;
    private int documents;

    /** For the documents of a stream, of which there are few enough to hold them all. */
    public RemadeTokens(TokenStream plain) {
        this.plain = plain;
        this.starts = new long[Math.toIntExact(plain.documents())];
        this.all = new int[Math.toIntExact(plain.size() + plain.size() / 8 + 16)];
    }

    /** The tokens of a document of the stream as they are. */
    public static int[] document(TokenStream tokens, long index) {
        int[] document = new int[Math.toIntExact(tokens.documentStart(index + 1) - tokens.documentStart(index))];
        tokens.read(tokens.documentStart(index), document, 0, document.length);
        return document;
    }

    /** Adds the next document, of these parts. */
    public void add(int[]... parts) {
        starts[documents++] = size;
        for (int[] part : parts) {
            if (part.length > all.length - size) {
                all = Arrays.copyOf(all, Math.addExact(size + part.length, all.length / 2));
            }
            System.arraycopy(part, 0, all, size, part.length);
            size += part.length;
        }
    }

    /** The stream of what was added. */
    public TokenStream stream() {
        return new ArrayTokenStream(
                plain.origin(), Arrays.copyOf(all, size), starts, null, plain.textBytes(), plain.vocabularySize());
    }
}
