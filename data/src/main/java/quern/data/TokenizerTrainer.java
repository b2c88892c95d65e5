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
     * Learns from the documents, read once, in bounded memory but for the distinct pre-tokens.
     *
     * @param documents texts; nothing is learned across the border of two
     * @param config this technique's own record
     */
    TokenizerJson train(Iterable<String> documents, Record config);
}
