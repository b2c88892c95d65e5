package quern.data.order;

import java.util.List;
import quern.recipe.Technique;

/** A technique of kind {@code mixing}: says how often rows come from each of several corpora. */
public interface Mixing extends Technique {
    /** What recipes call this kind. */
    String KIND = "mixing";

    @Override
    default String kind() {
        return KIND;
    }

    /**
     * The corpora to mix.
     *
     * @param names their names
     * @param weights the weights that the recipe gives them, their tokens where it gives none; not scaled
     * @param rowsPerStep the rows of a step
     */
    record Corpora(List<String> names, double[] weights, long rowsPerStep) {
        /** How many. */
        public int count() {
            return names.size();
        }
    }

    /**
     * The shares of the corpora.
     *
     * @param config this technique's own record
     */
    Shares open(Corpora corpora, Record config);

    /** Whether {@link Shares#observe} needs the losses of a reference model, from the folder that this names. */
    default java.util.Optional<java.nio.file.Path> reference(Record config) {
        return java.util.Optional.empty();
    }
}
