package quern.train;

import java.util.Arrays;
import java.util.Optional;
import quern.data.order.Steps;
import quern.recipe.BatchSizeWarmup;
import quern.recipe.Recipe;

/**
 * Which batches of the data a step reads: {@code gradient_accumulation_steps} of them, fewer while {@link
 * BatchSizeWarmup} lasts. A pure function of the step, in constant time. Steps and batches are counted from 0.
 */
final class StepBatches implements Steps {
    private final int whole;
    /** Batches read before each step of the warm-up, and before the first step after it. */
    private final long[] before;

    private StepBatches(int whole, int start, int warmup) {
        this.whole = whole;
        this.before = new long[warmup + 1];
        for (int step = 0; step < warmup; step++) {
            long grown = (long) (whole - start) * step / warmup;
            before[step + 1] = before[step] + start + grown;
        }
    }

    /** As a recipe has it. */
    static StepBatches of(Recipe recipe) {
        Optional<BatchSizeWarmup> warmup = recipe.batchSizeWarmup();
        int whole = recipe.gradientAccumulationSteps();
        return new StepBatches(
                whole,
                warmup.map(w -> w.start() / recipe.perDeviceTrainBatchSize()).orElse(whole),
                warmup.map(BatchSizeWarmup::steps).orElse(0));
    }

    private int warmup() {
        return before.length - 1;
    }

    /** How many batches a step reads. */
    int count(long step) {
        return step < warmup() ? (int) (before[(int) step + 1] - before[(int) step]) : whole;
    }

    /** The first batch of a step: how many all steps before it read. */
    @Override
    public long first(long step) {
        return step < warmup() ? before[(int) step] : before[warmup()] + (step - warmup()) * whole;
    }

    @Override
    public long step(long batch) {
        if (batch >= before[warmup()]) {
            return warmup() + (batch - before[warmup()]) / whole;
        }
        int at = Arrays.binarySearch(before, batch);
        return at >= 0 ? at : -at - 2;
    }

    /** The least number of steps that read at least so many batches. */
    long stepsFor(double batches) {
        if (batches > before[warmup()]) {
            return warmup() + (long) Math.ceil((batches - before[warmup()]) / whole);
        }
        int at = Arrays.binarySearch(before, (long) Math.ceil(batches));
        return at >= 0 ? at : -at - 1;
    }
}
