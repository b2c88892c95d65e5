package quern.search;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import quern.recipe.Block;
import quern.recipe.QuernException;

/**
 * What is to be compared, and how.
 *
 * @param title the heading of its page
 * @param recipe what all arms have in common
 * @param arms at least two, the first of which is the baseline
 * @param seeds runs of each arm: the recipe's seed and those after it, the same for every arm
 * @param tuning values that are tried for each arm before its seeds are run; several axes cross
 * @param tuneSteps steps of a tuning run; the recipe's own when empty
 * @param targetLoss the validation loss that the arms' steps and times to reach are told for; when empty, the highest
 *     final loss among the baseline's runs
 * @param output the folder of runs and pages
 */
public record Study(
        String title,
        Block recipe,
        List<Arm> arms,
        int seeds,
        List<Axis> tuning,
        OptionalInt tuneSteps,
        OptionalDouble targetLoss,
        Path output) {
    /** The tuning's seed is the recipe's and this, so that no run that is judged was chosen by its own luck. */
    static final long TUNING_SEED = 1000;

    public Study {
        arms = List.copyOf(arms);
        tuning = List.copyOf(tuning);
        if (arms.size() < 2) {
            throw QuernException.badInput(
                    "a comparison needs two arms or more, found %d; write --vary KEY=VALUE,VALUE or several --arm",
                    arms.size());
        }
        if (seeds < 1 || seeds >= TUNING_SEED) {
            throw QuernException.badInput("--seeds: expected 1 to %d, found %d", TUNING_SEED - 1, seeds);
        }
        if (tuneSteps.isPresent() && tuning.isEmpty()) {
            throw QuernException.badInput("--tune-steps: has no effect without --tune");
        }
        if (tuneSteps.isPresent() && tuneSteps.getAsInt() < 1) {
            throw QuernException.badInput("--tune-steps: expected 1 or more, found %d", tuneSteps.getAsInt());
        }
        if (targetLoss.isPresent() && !(targetLoss.getAsDouble() > 0)) {
            throw QuernException.badInput("--target-loss: expected a loss above 0, found %s", targetLoss.getAsDouble());
        }
        for (Axis axis : tuning) {
            if (axis.arms().size() < 2) {
                throw QuernException.badInput(
                        "--tune %s: one value is no choice; give several, or set it as a plain KEY=VALUE", axis);
            }
        }
    }
}
