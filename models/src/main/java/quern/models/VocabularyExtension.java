package quern.models;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Tokens that a model's vocabulary is extended by.
 *
 * @param size tokens of the vocabulary afterwards
 * @param pieces each new token's id, with the ids that its text had before
 * @param initialization what the new vectors start as
 * @param seed draws them where they are drawn
 */
public record VocabularyExtension(
        int size, Map<Integer, int[]> pieces, EmbeddingInitialization initialization, long seed) {
    /** Refuses ids outside the vocabulary. */
    public VocabularyExtension {
        pieces = new LinkedHashMap<>(pieces);
        for (int id : pieces.keySet()) {
            if (id < 0 || id >= size) {
                throw new IllegalArgumentException("token " + id + " is outside a vocabulary of " + size);
            }
        }
    }
}
