package quern.recipe;

/**
 * Keeps a batch whose loss lies far above that of the last steps from changing the model. The loss is judged before the
 * update, against mean and standard deviation of the last {@code window} losses that led to one.
 *
 * @param threshold standard deviations above the mean from which a loss is a spike
 * @param window losses that are compared with; no step is judged before there are as many
 * @param action what happens
 * @param maxConsecutive spikes in a row after which the training stops
 * @param keptBatches batches that the run folder keeps for inspection, the newest ones
 */
public record SpikeGuard(
        @Doc("Standard deviations above the mean from which a loss is a spike.")
        @Default("6.0")
        @Range(min = 0, minExclusive = true)
        double threshold,

        @Doc("How many of the last losses a loss is compared with.") @Default("100") @Range(min = 2)
        int window,

        @Doc("skip leaves the batch out; rewind also goes back to the weights of the last checkpoint.") @Default("skip")
        Action action,

        @Doc("Spikes in a row after which training stops.") @Default("10") @Range(min = 1)
        int maxConsecutive,

        @Doc("How many batches are kept in kept_batches.jsonl, the newest ones.") @Default("20") @Range(min = 1)
        int keptBatches) {

    /** What happens at a spike. */
    public enum Action {
        /** The batch changes nothing. */
        SKIP,
        /** The batch changes nothing, and weights and optimizer go back to those of the last checkpoint by save_steps. */
        REWIND
    }
}
