package quern.data;

import java.util.List;

/**
 * Gives each text a number, which needs a model: its perplexity, its likeness to a target. Implemented where models are
 * known.
 */
public interface Scorer extends AutoCloseable {
    /** What the number is, as reports name it: {@code perplexity}. */
    String name();

    /** The numbers of the texts, in their order. The number of a text does not depend on the others. */
    double[] score(List<String> texts);

    @Override
    void close();
}
