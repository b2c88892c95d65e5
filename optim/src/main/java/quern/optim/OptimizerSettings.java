package quern.optim;

import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.SequencedSet;
import quern.recipe.QuernException;

/**
 * The hyperparameters that a recipe writes at its top level, under Hugging Face's names. A technique reads those that
 * {@link OptimizerTechnique#settings()} names.
 *
 * @param weightDecay {@code weight_decay}, for groups that set none of their own
 * @param beta1 {@code adam_beta1}, the share of the first moment that is kept a step
 * @param beta2 {@code adam_beta2}, the share of the second moment that is kept a step
 * @param epsilon {@code adam_epsilon}, added to the root of the second moment
 */
public record OptimizerSettings(double weightDecay, double beta1, double beta2, double epsilon) {
    /** The defaults of a recipe. */
    public static final OptimizerSettings DEFAULT = new OptimizerSettings(0, 0.9, 0.999, 1e-8);

    /** The keys of a recipe that these are, in the order of the components. */
    public static final SequencedSet<String> KEYS = Collections.unmodifiableSequencedSet(
            new LinkedHashSet<>(List.of("weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon")));

    /** Checks the ranges. */
    public OptimizerSettings {
        if (!(weightDecay >= 0 && weightDecay < Double.POSITIVE_INFINITY)) {
            throw QuernException.badInput("weight_decay: found %s, expected a finite number of 0 or more", weightDecay);
        }
        if (!(beta1 >= 0 && beta1 < 1)) {
            throw QuernException.badInput("adam_beta1: found %s, expected 0 or more and less than 1", beta1);
        }
        if (!(beta2 >= 0 && beta2 < 1)) {
            throw QuernException.badInput("adam_beta2: found %s, expected 0 or more and less than 1", beta2);
        }
        if (!(epsilon >= 0 && epsilon < Double.POSITIVE_INFINITY)) {
            throw QuernException.badInput("adam_epsilon: found %s, expected a finite number of 0 or more", epsilon);
        }
    }
}
