package quern.models;

import java.util.Map;
import quern.tensor.Tensor;

/**
 * A model of one family as one of another that computes the same.
 *
 * @param family the other family's id
 * @param settings its settings, by the keys of its {@code config.json}
 * @param conversion makes its parameters
 */
public record KnownForm(String family, Map<String, Object> settings, Conversion conversion) {
    /** Makes the parameters of the other family's model. */
    @FunctionalInterface
    public interface Conversion {
        /**
         * A parameter, in the open scope.
         *
         * @param name as the other family calls it in memory
         * @param own the model's own parameters by name; it throws where there is none
         */
        Tensor parameter(String name, Parameters own);
    }

    /** Parameters by name. */
    @FunctionalInterface
    public interface Parameters {
        /** The value of the parameter of that name. */
        Tensor get(String name);
    }
}
