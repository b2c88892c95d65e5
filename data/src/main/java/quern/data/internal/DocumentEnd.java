package quern.data.internal;

import java.util.Arrays;
import quern.data.Objective;

/**
 * The tokens that a stream has after each of its documents.
 *
 * @param tokens of {@code data.document_separator}, or the end-of-text token; empty without either
 */
public record DocumentEnd(int[] tokens) {
    /** That of a text as its settings say. */
    public static DocumentEnd of(Objective.Input input) {
        return new DocumentEnd(input.data()
                .documentSeparator()
                .map(input.tokenizer()::encode)
                .orElseGet(() -> input.tokenizer().endOfText().stream().toArray()));
    }

    /** Whether a document ends so. */
    public boolean ends(int[] document) {
        int from = document.length - tokens.length;
        return tokens.length > 0
                && from >= 0
                && Arrays.equals(document, from, document.length, tokens, 0, tokens.length);
    }

    /** A document without its end. */
    public int[] bare(int[] document) {
        return ends(document) ? Arrays.copyOf(document, document.length - tokens.length) : document;
    }
}
