package quern.data;

import java.util.Iterator;
import quern.recipe.QuernException;

/**
 * The texts under a second key of the JSON lines that an objective reads: document i of them belongs to document i of its
 * input.
 */
public final class PairedTexts {
    private PairedTexts() {}

    /**
     * Tokenizes them, with the input's tokenizer and settings.
     *
     * @param field the second key
     * @param validation whether the input is the held-out part
     * @param objective its id, for messages
     * @throws QuernException bad input where the data is not JSON lines, or a line has only one of the two
     */
    public static TokenStream of(Objective.Input input, String field, boolean validation, String objective) {
        DataConfig data = input.data();
        if (data.path().isEmpty()) {
            throw QuernException.badInput(
                    "data: source: %s has no second texts; objective %s needs JSON lines (data.path) with the keys %s and %s",
                    data.source().orElse(""), objective, data.field(), field);
        }
        if (data.field().equals(field)) {
            throw QuernException.badInput(
                    "objective: %s: '%s' is data.field too, so a text would be paired with itself; name another key",
                    objective, field);
        }
        DataConfig second = data.withField(field);
        requireSameLines(data, second, objective);
        TokenStore store = TokenStore.prepare(second, input.tokenizer(), note -> {});
        TokenStream texts = validation ? store.validation() : store.train();
        if (input.tokens().documents() != texts.documents() || texts.documents() == 0) {
            throw QuernException.badInput(
                    "%s: %,d texts under '%s', but %,d under '%s'; give each line both",
                    input.tokens().origin(), input.tokens().documents(), data.field(), texts.documents(), field);
        }
        return texts;
    }

    /** A line that lacks one of the two would pair all after it with another's. */
    private static void requireSameLines(DataConfig first, DataConfig second, String objective) {
        try (Documents.Cursor pass = Documents.open(first).iterator();
                Documents.Cursor beside = Documents.open(second).iterator()) {
            Iterator<Document> all = beside;
            while (pass.hasNext()) {
                Document text = pass.next();
                if (text.line() == 0) {
                    throw QuernException.badInput(
                            "%s: a text by itself; objective %s needs JSON lines with the keys %s and %s",
                            text.origin(), objective, first.field(), second.field());
                }
                Document other = all.hasNext() ? all.next() : null;
                boolean whole = text.first() && text.last();
                if (other == null
                        || !whole
                        || !(other.first() && other.last())
                        || other.line() != text.line()
                        || !other.origin().equals(text.origin())) {
                    throw QuernException.badInput(
                            "%s:%d: '%s' or '%s' of this line, or of one before it, is empty or very long, so the two don't match; leave the line out",
                            text.origin(), text.line(), first.field(), second.field());
                }
            }
        }
    }
}
