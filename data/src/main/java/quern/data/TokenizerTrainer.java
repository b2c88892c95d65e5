package quern.data;

import java.util.List;
import quern.recipe.Technique;

/** A technique of kind {@code tokenizer}: learns a vocabulary from text. */
public interface TokenizerTrainer extends Technique {
    @Override
    default String kind() {
        return "tokenizer";
    }

    /** The special tokens that it learns when its block names none. */
    default List<String> usualSpecialTokens() {
        return List.of();
    }

    /**
     * Learns from the documents, read once, in bounded memory but for the distinct pre-tokens. Any number of threads gives
     * the same answer.
     *
     * @param documents texts; nothing is learned across the border of two
     * @param config this technique's own record
     * @param threads how many may work at once, 1 or more
     * @throws quern.recipe.QuernException when the documents hold nothing to learn from, or more distinct characters than
     *     the vocabulary has room for
     */
    TokenizerJson train(Iterable<String> documents, Record config, int threads);

    /** Learns from the documents as above, on all cores. */
    default TokenizerJson train(Iterable<String> documents, Record config) {
        return train(documents, config, Runtime.getRuntime().availableProcessors());
    }
}
