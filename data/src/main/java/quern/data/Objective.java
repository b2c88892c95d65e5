package quern.data;

import quern.recipe.Technique;

/** A technique of kind {@code objective}: arranges tokens into inputs and targets. */
public interface Objective extends Technique {
    @Override
    default String kind() {
        return "objective";
    }

    /**
     * What a model must be for to learn by this objective, as the tasks of model families are called: {@code causal_lm},
     * {@code masked_lm}…
     */
    String task();

    /**
     * The batches of a stream.
     *
     * @param tokens what to learn from
     * @param data row length and packing
     * @param rowsPerBatch rows in a batch
     * @param seed of the order; the run's own
     * @param config this technique's own record
     */
    BatchSource source(TokenStream tokens, DataConfig data, int rowsPerBatch, long seed, Record config);
}
