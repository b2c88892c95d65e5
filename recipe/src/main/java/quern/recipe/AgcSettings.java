package quern.recipe;

/**
 * Adaptive gradient clipping (Brock et al. 2021, arXiv 2102.06171).
 *
 * @param clipFactor how long a unit's gradient may be, as a share of its weights
 * @param eps the least length that a unit's weights count for
 * @param excludeHead whether the output layer is left alone, as in the paper; one tied to the embedding is the embedding
 */
public record AgcSettings(
        @Doc("How long the gradient of a row of weights may be, as a share of the row.")
        @Default("0.01")
        @Range(min = 0, minExclusive = true)
        double clipFactor,

        @Doc("The least length that a row of weights counts for.") @Default("1e-3") @Range(min = 0, minExclusive = true)
        double eps,

        @Doc("Whether the output layer is left alone.") @Default("true")
        boolean excludeHead) {}
