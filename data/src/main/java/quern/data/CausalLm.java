package quern.data;

import java.util.Optional;
import quern.data.internal.DocumentRows;
import quern.data.internal.PackedWindows;

/**
 * Next-token prediction. With {@code packing} the rows are windows of {@code max_length} tokens over the concatenated
 * documents: each epoch cuts the stream at another seeded offset and visits the windows in another seeded order.
 * Without it a row is a document, cut to {@code max_length} and padded on the right.
 */
public final class CausalLm implements Objective {
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
    public BatchSource source(Input input, Record config) {
        DataConfig data = input.data();
        return data.packing()
                ? new PackedWindows(input.tokens(), data.maxLength(), input.rowsPerBatch(), input.seed())
                : new DocumentRows(input.tokens(), data.maxLength(), input.rowsPerBatch(), input.seed());
    }

    @Override
    public Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.empty();
    }
}
