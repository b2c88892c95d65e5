package quern.data;

import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.recipe.Technique;

/** A technique of kind {@code objective}: arranges tokens into inputs and targets. */
public interface Objective extends Technique {
    @Override
    default String kind() {
        return "objective";
    }

    /**
     * This objective as settings make it. One whose other answers depend on its settings gives another, which has to be asked
     * instead of this.
     *
     * @param config this technique's own record
     */
    default Objective configured(Record config) {
        return this;
    }

    /**
     * What a model must be for to learn by this objective, as the tasks of model families are called: {@code causal_lm},
     * {@code masked_lm}…
     */
    String task();

    /**
     * Tokens that stand for something in this objective's rows; a tokenizer that the recipe trains learns them unless
     * its block lists its own.
     */
    default List<String> specialTokens() {
        return List.of();
    }

    /**
     * Whether a batch may be divided into smaller ones, or joined with others, without another loss: whether a row is
     * judged by itself alone.
     */
    default boolean dividesBatches() {
        return true;
    }

    /** Whether it learns the answers of instruction rows; others learn from texts only. */
    default boolean readsInstructions() {
        return false;
    }

    /** Whether its batches say under {@code prefix_lengths} how many of each row's first tokens a model sees whole. */
    default boolean givesPrefixes() {
        return false;
    }

    /** Whether training needs more than the model's own head for its loss. */
    default boolean bringsLoss() {
        return false;
    }

    /** Whether its batches say under {@code block_positions} where each token is inside a span that is filled in. */
    default boolean givesBlockPositions() {
        return false;
    }

    /**
     * What may become of a document that is longer than a row; nothing where no row is a whole document.
     *
     * @param data how rows are made
     * @param prompts whether documents have prompts
     * @param config this technique's own record
     */
    default Set<OnTooLong> onTooLong(DataConfig data, boolean prompts, Record config) {
        return data.packing() ? Set.of() : EnumSet.allOf(OnTooLong.class);
    }

    /**
     * What an objective arranges.
     *
     * @param tokens what to learn from
     * @param tokenizer what made the tokens
     * @param data row length and packing
     * @param rowsPerBatch rows in a batch
     * @param seed of the order and of whatever the objective draws
     * @param lanes whether the model carries memories from batch to batch, so that rows have to be {@link Lanes}
     */
    record Input(TokenStream tokens, Tokenizer tokenizer, DataConfig data, int rowsPerBatch, long seed, boolean lanes) {
        /** For a model without memories. */
        public Input(TokenStream tokens, Tokenizer tokenizer, DataConfig data, int rowsPerBatch, long seed) {
            this(tokens, tokenizer, data, rowsPerBatch, seed, false);
        }
    }

    /** Whether it can arrange texts in {@link Lanes}. */
    default boolean readsLanes() {
        return false;
    }

    /**
     * The batches of a stream.
     *
     * @param config this technique's own record
     */
    BatchSource source(Input input, Record config);

    /**
     * The batches by which a held-out text is judged: one epoch of them. Empty where it is judged by every token after the
     * first, in windows that do not overlap.
     */
    default Optional<BatchSource> evaluation(Input input, Record config) {
        return Optional.of(source(input, config));
    }
}
