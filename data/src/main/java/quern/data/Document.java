package quern.data;

import java.util.List;
import quern.data.template.JinjaTemplate.Span;

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
 * @param learned of a conversation, the parts of its text that the model is to write, in order; otherwise empty
 */
public record Document(
        String origin, long line, String text, boolean first, boolean last, Part part, List<Span> learned) {
    /** What a piece of a document is for a model. Prompt and answer are always pieces of their own. */
    public enum Part {
        /** Text to learn. */
        TEXT,
        /** What an answer is given to: read, but not learned. */
        PROMPT,
        /** The answer to the prompt before it, to learn. */
        ANSWER,
        /** A whole conversation, of which parts are to be learned. It is never cut into pieces. */
        CONVERSATION
    }

    /** Copies the parts. */
    public Document {
        learned = List.copyOf(learned);
    }

    /** A piece of which all or nothing is to be learned. */
    public Document(String origin, long line, String text, boolean first, boolean last, Part part) {
        this(origin, line, text, first, last, part, List.of());
    }

    /** A piece of plain text. */
    public Document(String origin, long line, String text, boolean first, boolean last) {
        this(origin, line, text, first, last, Part.TEXT);
    }
}
