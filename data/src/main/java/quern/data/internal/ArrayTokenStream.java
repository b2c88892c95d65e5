package quern.data.internal;

import java.util.Objects;
import quern.data.TokenStream;

/**
 * Tokens in an array.
 *
 * @param answerStarts where each document's answer starts; null without prompts
 */
public record ArrayTokenStream(
        String origin, int[] tokens, long[] documentStarts, long[] answerStarts, long textBytes, int vocabularySize)
        implements TokenStream {

    /** Checks the document borders. */
    public ArrayTokenStream {
        long before = -1;
        for (long start : documentStarts) {
            if (start <= before || start > tokens.length) {
                throw new IllegalArgumentException("document starts must ascend within the tokens");
            }
            before = start;
        }
        if (answerStarts != null && answerStarts.length != documentStarts.length) {
            throw new IllegalArgumentException("every document needs the start of its answer");
        }
    }

    @Override
    public long size() {
        return tokens.length;
    }

    @Override
    public void read(long from, int[] into, int offset, int length) {
        Objects.checkFromIndexSize(from, length, (long) tokens.length);
        System.arraycopy(tokens, (int) from, into, offset, length);
    }

    @Override
    public long documents() {
        return documentStarts.length;
    }

    @Override
    public long documentStart(long index) {
        Objects.checkIndex(index, documentStarts.length + 1L);
        return index == documentStarts.length ? tokens.length : documentStarts[(int) index];
    }

    @Override
    public boolean hasPrompts() {
        return answerStarts != null;
    }

    @Override
    public long answerStart(long index) {
        return answerStarts == null ? documentStart(index) : answerStarts[(int) index];
    }
}
