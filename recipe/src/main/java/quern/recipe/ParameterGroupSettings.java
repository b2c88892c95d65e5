package quern.recipe;

import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What some parameters have of their own in a training. A parameter belongs to the first group whose pattern is found in
 * its name, and takes from the recipe what the group leaves out. A group without {@code optim} and {@code optim_args} is
 * updated by the recipe's optimizer; a group with another {@code optim} has that one's default {@code optim_args} unless
 * it gives some.
 *
 * @param pattern a regular expression, found anywhere in a parameter's name
 * @param learningRate the peak rate, which the recipe's schedule moves in proportion
 * @param learningRateFactor what the recipe's rate is multiplied by, instead of {@code learning_rate}
 * @param weightDecay the weight decay, of vectors too
 * @param adamBeta1 the decay rate of the first moment
 * @param adamBeta2 the decay rate of the second moment
 * @param adamEpsilon the term that keeps the denominator away from zero
 * @param optim the optimizer
 * @param optimArgs the optimizer's own settings
 */
public record ParameterGroupSettings(
        @Doc("A regular expression, found anywhere in a parameter's name.")
        String pattern,

        @Doc("The peak learning rate, which the schedule moves in proportion.") @Range(min = 0)
        Optional<Double> learningRate,

        @Doc("What the recipe's learning rate is multiplied by.") @Range(min = 0)
        Optional<Double> learningRateFactor,

        @Doc("The weight decay, of vectors too.") @Range(min = 0)
        Optional<Double> weightDecay,

        @Doc("The decay rate of the first moment in Adam and its kin.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> adamBeta1,

        @Doc("The decay rate of the second moment in Adam and its kin.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> adamBeta2,

        @Doc("The term that keeps Adam's denominator away from zero.") @Range(min = 0, minExclusive = true)
        Optional<Double> adamEpsilon,

        @Doc("The optimizer.") @TechniqueId(kind = "optim", settings = "optim_args")
        Optional<String> optim,

        @Doc("The optimizer's own settings.") Optional<Block> optimArgs) {
    /** Refuses what is no expression, two rates, and a group that sets nothing. */
    public ParameterGroupSettings {
        try {
            Pattern.compile(pattern);
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException(
                    "pattern: %s is no regular expression (%s); a star stands behind what repeats, as in '.*\\.bias'"
                            .formatted(Quoted.text(pattern), e.getDescription().toLowerCase(java.util.Locale.ROOT)));
        }
        if (pattern.isEmpty()) {
            throw new IllegalArgumentException("pattern: an empty text; to match every name write '.'");
        }
        if (learningRate.isPresent() && learningRateFactor.isPresent()) {
            throw new IllegalArgumentException(
                    "learning_rate_factor: given beside learning_rate; leave one of them out");
        }
        if (learningRate.isEmpty()
                && learningRateFactor.isEmpty()
                && weightDecay.isEmpty()
                && adamBeta1.isEmpty()
                && adamBeta2.isEmpty()
                && adamEpsilon.isEmpty()
                && optim.isEmpty()
                && optimArgs.isEmpty()) {
            throw new IllegalArgumentException(
                    "pattern: the group sets nothing; give it learning_rate, weight_decay or optim, or leave it out");
        }
    }

    /** Whether the pattern is found in a parameter's name. */
    public boolean matches(String name) {
        return Pattern.compile(pattern).matcher(name).find();
    }
}
