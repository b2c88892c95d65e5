package quern.optim.internal;

import java.util.function.IntToDoubleFunction;
import quern.optim.Schedule;
import quern.recipe.QuernException;

/**
 * A schedule that rises from 0 to its peak in equal steps and then goes its own way.
 *
 * @param learningRate the peak
 * @param warmupSteps the steps of the rise
 * @param maxSteps the steps of the whole run
 * @param after the rate at a step from {@code warmupSteps} on
 */
public record WarmedUp(double learningRate, int warmupSteps, int maxSteps, IntToDoubleFunction after)
        implements Schedule {
    /** Checks that the run is long enough. */
    public WarmedUp {
        requireRun(learningRate, warmupSteps, maxSteps);
    }

    /** A schedule that after warm-up is the peak times a factor of the step. */
    public static WarmedUp scaled(double learningRate, int warmupSteps, int maxSteps, IntToDoubleFunction factor) {
        return new WarmedUp(learningRate, warmupSteps, maxSteps, step -> learningRate * factor.applyAsDouble(step));
    }

    @Override
    public double rate(int step) {
        requireStep(step);
        return step < warmupSteps ? learningRate * ((double) step / warmupSteps) : after.applyAsDouble(step);
    }

    /** Refuses a peak that is no rate, and warm-up that outlasts the run. */
    public static void requireRun(double learningRate, int warmupSteps, int maxSteps) {
        if (!(learningRate >= 0 && learningRate < Double.POSITIVE_INFINITY)) {
            throw QuernException.badInput(
                    "learning_rate: found %s, expected a finite number of 0 or more", learningRate);
        }
        if (maxSteps < 1) {
            throw QuernException.badInput("max_steps: found %d, expected 1 or more", maxSteps);
        }
        if (warmupSteps < 0 || warmupSteps > maxSteps) {
            throw QuernException.badInput(
                    "warmup_steps: found %d, expected 0 to max_steps, which is %d", warmupSteps, maxSteps);
        }
    }

    /** Refuses a negative step. */
    public static void requireStep(int step) {
        if (step < 0) {
            throw new IllegalArgumentException("step " + step + " of a schedule, which begins at 0");
        }
    }

    /** How far a step is from the end of warm-up to the end of the run: 0 to 1 in the run, more past its end. */
    public static double progress(int step, int warmupSteps, int maxSteps) {
        return (double) (step - warmupSteps) / Math.max(1, maxSteps - warmupSteps);
    }
}
