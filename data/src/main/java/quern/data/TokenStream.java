package quern.data;

import quern.data.internal.ArrayTokenStream;

/**
 * A sequence of token ids with the borders of its documents. Random access is cheap and any number of threads may
 * read.
 */
public interface TokenStream {
    /** Tokens, separators included. */
    long size();

    /** Copies {@code length} tokens that start at {@code from}. */
    void read(long from, int[] into, int offset, int length);

    /** Documents. */
    long documents();

    /** Where a document starts; for {@code index == documents()} the size of the stream. */
    long documentStart(long index);

    /** Bytes of the text in UTF-8, separators left out: the denominator of bits per byte. */
    long textBytes();

    /** One more than the largest id that may occur. */
    int vocabularySize();

    /** Where the tokens come from, for errors. */
    String origin();

    /** Tokens held in memory. */
    static TokenStream of(String origin, int[] tokens, long[] documentStarts, long textBytes, int vocabularySize) {
        return new ArrayTokenStream(origin, tokens.clone(), documentStarts.clone(), textBytes, vocabularySize);
    }

    /** The tokens of one text as one document, held in memory. */
    static TokenStream of(String origin, String text, Tokenizer tokenizer) {
        return new ArrayTokenStream(
                origin,
                tokenizer.encode(text),
                new long[] {0},
                text.getBytes(java.nio.charset.StandardCharsets.UTF_8).length,
                tokenizer.vocabularySize());
    }
}
