package quern.recipe;

/**
 * An exponential moving average of the weights, which is evaluated, sampled and saved as the model while training goes on
 * with the weights themselves.
 *
 * @param decay the share of the average that is kept a step
 * @param ramp whether early steps keep less: (1 + t) / (10 + t) at step t until that is more than {@code decay}, so that
 *     a short training's average does not hang on to the start
 */
public record WeightAverage(
        @Doc("Share of the average that is kept a step.")
        @Default("0.999")
        @Range(min = 0, max = 1, maxExclusive = true)
        double decay,

        @Doc("Whether early steps keep less, (1 + t) / (10 + t) at step t.") @Default("true")
        boolean ramp) {}
