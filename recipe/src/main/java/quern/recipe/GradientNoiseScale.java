package quern.recipe;

/**
 * Measurement of the gradient noise scale while training.
 *
 * @param decay of the moving averages of its two parts
 * @param every steps between two measurements
 */
public record GradientNoiseScale(
        @Doc("The decay of the moving averages, a measurement.")
        @Default("0.95")
        @Range(min = 0, max = 1, maxExclusive = true)
        double decay,

        @Doc("Steps between two measurements.") @Default("1") @Range(min = 1)
        int every) {}
