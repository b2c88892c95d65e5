package quern.data;

import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import quern.data.internal.DocumentRows;
import quern.data.internal.PackedDocuments;
import quern.data.internal.PackedWindows;
import quern.data.internal.WholeDocuments;
import quern.recipe.QuernException;

/**
 * Next-token prediction. Of texts with {@code packing} the rows are windows of {@code max_length} tokens over the
 * concatenated documents: each epoch cuts the stream at another seeded offset and visits the windows in another seeded
 * order. Of instruction rows only the answers are predicted, and with {@code packing} a row holds as many whole documents as
 * fit. Without packing a row is a document. Rows of whole documents are not padded, and no document sees another.
 *
 * <p>A model with memories reads {@link Lanes}: of the concatenated documents with {@code packing}, else of one whole document
 * after another, in rows of {@code max_length} tokens.
 */
public final class CausalLm implements Objective {
    private static final long ANSWERS_SEED = 0;

    /** It has no settings of its own. */
    public record Config() {}

    @Override
    public String id() {
        return "causal_lm";
    }

    @Override
    public String summary() {
        return "predict the next token";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public String task() {
        return "causal_lm";
    }

    @Override
    public boolean readsInstructions() {
        return true;
    }

    @Override
    public Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return data.packing() && !prompts ? Set.of() : EnumSet.allOf(OnTooLong.class);
    }

    @Override
    public BatchSource source(Input input, Record config) {
        DataConfig data = input.data();
        if (input.lanes()) {
            if (input.tokens().hasPrompts()) {
                throw QuernException.badInput(
                        "%s: instruction rows have no lanes of text for a model with memories; give texts, or a model without recurrence",
                        input.tokens().origin());
            }
            return data.packing()
                    ? Lanes.ofStream(input.tokens(), data.maxLength(), input.rowsPerBatch())
                    : Lanes.ofDocuments(input.tokens(), data.maxLength(), input.rowsPerBatch(), input.seed());
        }
        if (data.packing() && !input.tokens().hasPrompts()) {
            return new PackedWindows(input.tokens(), data.maxLength(), input.rowsPerBatch(), input.seed());
        }
        WholeDocuments documents = new WholeDocuments(input.tokens(), data.maxLength(), data.onTooLong());
        return data.packing()
                ? new PackedDocuments(documents, input.rowsPerBatch(), input.seed())
                : new DocumentRows(documents, input.rowsPerBatch(), input.seed());
    }

    @Override
    public boolean readsLanes() {
        return true;
    }

    /** One epoch in which every answer of a stream with prompts is predicted once; what is too long is cut. */
    public static BatchSource answers(TokenStream tokens, int maxLength, int rowsPerBatch) {
        return new PackedDocuments(
                new WholeDocuments(tokens, maxLength, OnTooLong.TRUNCATE), rowsPerBatch, ANSWERS_SEED);
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return input.tokens().hasPrompts() ? Optional.of(source(input, config)) : Optional.empty();
    }
}
