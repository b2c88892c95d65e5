package quern.recipe;

import java.util.Optional;

/**
 * Rates of dropout while training, which stand in for those of the model's own settings and leave these as they are. A
 * place that has no rate here keeps the model's.
 *
 * @param all the rate of every place that the model has and that has none of its own here
 * @param embedding on what the embedding gives
 * @param attention on attention patterns
 * @param residual on what each part of a block adds to the residual stream
 * @param feedForward on the inner features of feed-forward parts
 */
public record DropoutRates(
        @Doc("Every place that has no rate of its own here.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> all,

        @Doc("What the embedding gives.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> embedding,

        @Doc("Attention patterns.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> attention,

        @Doc("What each part of a block adds to the residual stream.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> residual,

        @Doc("The inner features of feed-forward parts.") @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> feedForward) {
    /** Refuses a block that sets nothing. */
    public DropoutRates {
        if (all.isEmpty()
                && embedding.isEmpty()
                && attention.isEmpty()
                && residual.isEmpty()
                && feedForward.isEmpty()) {
            throw new IllegalArgumentException(
                    "dropout: no rate is given; give a number, or rates of embedding, attention, residual and feed_forward");
        }
        if (all.isPresent()
                && embedding.isPresent()
                && attention.isPresent()
                && residual.isPresent()
                && feedForward.isPresent()) {
            throw new IllegalArgumentException(
                    "all: has no effect, since every place has a rate of its own; leave it out");
        }
    }
}
