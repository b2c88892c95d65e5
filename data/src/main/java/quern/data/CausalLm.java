package quern.data;

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
    public BatchSource source(TokenStream tokens, DataConfig data, int rowsPerBatch, long seed, Record config) {
        return data.packing()
                ? new PackedWindows(tokens, data.maxLength(), rowsPerBatch, seed)
                : new DocumentRows(tokens, data.maxLength(), rowsPerBatch, seed);
    }
}
