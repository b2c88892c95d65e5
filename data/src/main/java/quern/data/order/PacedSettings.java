package quern.data.order;

import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Settings of a curriculum by a measure.
 *
 * @param order which end of the measure comes first
 * @param pacing how the share of rows that may be met grows
 * @param startShare the share in the first step
 * @param steps until all rows may be met
 * @param power of pacing {@code root}
 * @param stages of pacing {@code step}
 */
public record PacedSettings(
        @Doc("Which rows come first: easy_to_hard or hard_to_easy.") @Default("easy_to_hard")
        Direction order,

        @Doc("How the share of rows that may be met grows: linear, root, step, exponential; or sorted, all in order.")
        @Default("root")
        Pacing pacing,

        @Doc("The share of rows that may be met in the first step.")
        @Default("0.1")
        @Range(min = 0, minExclusive = true, max = 1)
        double startShare,

        @Doc("Steps until all rows may be met.") @Default("1000") @Range(min = 1)
        long steps,

        @Doc("The power of pacing root.") @Default("2.0") @Range(min = 1)
        double power,

        @Doc("The stairs of pacing step.") @Default("5") @Range(min = 1)
        int stages) {
    /** Which end of a measure comes first. */
    public enum Direction {
        /** The lowest values first. */
        EASY_TO_HARD,
        /** The highest values first. */
        HARD_TO_EASY
    }

    double share(long step) {
        return pacing.share(step, startShare, steps, power, stages);
    }
}
