package quern.recipe;

/**
 * Small batches first: the number of micro-batches in a step rises linearly to {@code gradient_accumulation_steps}.
 *
 * @param start sequences in the first step, a multiple of {@code per_device_train_batch_size}
 * @param steps steps until the batch is whole
 */
public record BatchSizeWarmup(
        @Doc("Sequences in the first step.") @Range(min = 1) int start,

        @Doc("Steps over which the batch grows to its full size.") @Range(min = 1)
        int steps) {}
