package quern.data;

import java.util.List;

/**
 * Gives each text another one, which needs a model: a paraphrase, a translation. Implemented where models are known.
 */
public interface Rewriter extends AutoCloseable {
    /** What it does, as reports name it: {@code back_translation}. */
    String name();

    /**
     * The new texts, in the order of the old ones.
     *
     * @param seed of whatever it draws; the new text depends on the old one and the seed alone
     */
    List<String> rewrite(List<String> texts, long seed);

    @Override
    void close();
}
