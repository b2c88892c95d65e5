package quern.optim;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import quern.tensor.Parameter;

/**
 * Parameters that share hyperparameters.
 *
 * @param parameters the parameters, in the order in which their state is laid out
 * @param learningRateFactor what the scheduled rate is multiplied by; 1 for the rate itself
 * @param weightDecay the group's weight decay; empty for {@link OptimizerSettings#weightDecay()}
 * @param role what the parameters are in the model; empty: {@link ParameterRole#HIDDEN_MATRIX} those of two or more
 *     dimensions, {@link ParameterRole#VECTOR} the others
 */
public record ParameterGroup(
        List<Parameter> parameters,
        double learningRateFactor,
        OptionalDouble weightDecay,
        Optional<ParameterRole> role) {
    /** Checks that the factor is finite and not negative, that the decay is too, and that matrices are matrices. */
    public ParameterGroup {
        parameters = List.copyOf(parameters);
        Objects.requireNonNull(weightDecay, "weightDecay");
        Objects.requireNonNull(role, "role");
        if (!(learningRateFactor >= 0 && learningRateFactor < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "learning_rate_factor: found " + learningRateFactor + ", expected a finite number of 0 or more");
        }
        if (weightDecay.isPresent()
                && !(weightDecay.getAsDouble() >= 0 && weightDecay.getAsDouble() < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException(
                    "weight_decay: found " + weightDecay.getAsDouble() + ", expected a finite number of 0 or more");
        }
        for (Parameter parameter : parameters) {
            if (role.equals(Optional.of(ParameterRole.HIDDEN_MATRIX))
                    && parameter.value().dim() < 2) {
                throw new IllegalArgumentException(
                        "role: parameter '%s' has %d dimensions, a hidden matrix has 2 or more"
                                .formatted(parameter.name(), parameter.value().dim()));
            }
        }
    }

    /** A group whose parameters' roles follow from their dimensions. */
    public ParameterGroup(List<Parameter> parameters, double learningRateFactor, OptionalDouble weightDecay) {
        this(parameters, learningRateFactor, weightDecay, Optional.empty());
    }

    /** One group that takes the scheduled rate and the recipe's weight decay; roles follow from the dimensions. */
    public static ParameterGroup of(List<Parameter> parameters) {
        return new ParameterGroup(parameters, 1, OptionalDouble.empty());
    }

    ParameterRole roleOf(Parameter parameter) {
        return role.orElse(parameter.value().dim() >= 2 ? ParameterRole.HIDDEN_MATRIX : ParameterRole.VECTOR);
    }
}
