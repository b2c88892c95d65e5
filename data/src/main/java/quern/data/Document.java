package quern.data;

/**
 * A document or, where a document is long, one piece of it. The pieces of a document follow each other and are cut
 * after a line's end where there is one, so that byte-level and character tokenizers give the same ids as for the
 * whole.
 *
 * @param origin the file it came from, or the name of a built-in corpus
 * @param line line number in that file, from 1; 0 where the file is one document
 * @param text the text, well-formed
 * @param first whether a document starts here
 * @param last whether a document ends here
 * @param part what the text is for a model that learns from it
 */
public record Document(String origin, long line, String text, boolean first, boolean last, Part part) {
    /** What a piece of a document is for a model. Prompt and answer are always pieces of their own. */
    public enum Part {
        /** Text to learn. */
        TEXT,
        /** What an answer is given to: read, but not learned. */
        PROMPT,
        /** The answer to the prompt before it, to learn. */
        ANSWER
    }

    /** A piece of plain text. */
    public Document(String origin, long line, String text, boolean first, boolean last) {
        this(origin, line, text, first, last, Part.TEXT);
    }
}
