package quern.optim;

import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import quern.tensor.Parameter;

/**
 * Parameters that share hyperparameters.
 *
 * @param parameters the parameters, in the order in which their state is laid out
 * @param learningRateFactor what the scheduled rate is multiplied by; 1 for the rate itself
 * @param weightDecay the group's weight decay; empty for {@link OptimizerSettings#weightDecay()}
 */
public record ParameterGroup(List<Parameter> parameters, double learningRateFactor, OptionalDouble weightDecay) {
    /** Checks that the factor is finite and not negative, and that the decay is too. */
    public ParameterGroup {
        parameters = List.copyOf(parameters);
        Objects.requireNonNull(weightDecay, "weightDecay");
        if (!(learningRateFactor >= 0 && learningRateFactor < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "learning_rate_factor: found " + learningRateFactor + ", expected a finite number of 0 or more");
        }
        if (weightDecay.isPresent()
                && !(weightDecay.getAsDouble() >= 0 && weightDecay.getAsDouble() < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "weight_decay: found " + weightDecay.getAsDouble() + ", expected a finite number of 0 or more");
        }
    }

    /** One group that takes the scheduled rate and the recipe's weight decay. */
    public static ParameterGroup of(List<Parameter> parameters) {
        return new ParameterGroup(parameters, 1, OptionalDouble.empty());
    }
}
