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

    /** Whether parts of the documents are context, which is not learned. */
    default boolean hasPrompts() {
        return false;
    }

    /** Where the first part of a document starts that is to be learned: its start, or the end of its prompt. */
    default long answerStart(long index) {
        return documentStart(index);
    }

    /**
     * The parts of a document that are to be learned: from and to of each, one behind the other, as places in the stream,
     * ascending and without overlaps.
     */
    default long[] learned(long index) {
        return new long[] {answerStart(index), documentStart(index + 1)};
    }

    /** Where a document comes from, for errors. */
    default String describe(long index) {
        return "document %,d of the %s".formatted(index + 1, origin());
    }

    /** Bytes of the text in UTF-8, separators left out: the denominator of bits per byte. */
    long textBytes();

    /** One more than the largest id that may occur. */
    int vocabularySize();

    /** Where the tokens come from, for errors. */
    String origin();

    /** Tokens held in memory. */
    static TokenStream of(String origin, int[] tokens, long[] documentStarts, long textBytes, int vocabularySize) {
        return new ArrayTokenStream(origin, tokens.clone(), documentStarts.clone(), null, textBytes, vocabularySize);
    }

    /** Prompts and answers held in memory; {@code answerStarts} says where each document's answer starts. */
    static TokenStream ofAnswers(
            String origin, int[] tokens, long[] documentStarts, long[] answerStarts, long textBytes, int vocabulary) {
        return new ArrayTokenStream(
                origin, tokens.clone(), documentStarts.clone(), answerStarts.clone(), textBytes, vocabulary);
    }

    /** The tokens of one text as one document, held in memory. */
    static TokenStream of(String origin, String text, Tokenizer tokenizer) {
        return new ArrayTokenStream(
                origin,
                tokenizer.encode(text),
                new long[] {0},
                null,
                text.getBytes(java.nio.charset.StandardCharsets.UTF_8).length,
                tokenizer.vocabularySize());
    }
}
