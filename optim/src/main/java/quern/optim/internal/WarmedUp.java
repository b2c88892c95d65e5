package quern.optim.internal;

import java.util.function.IntToDoubleFunction;
import quern.optim.Schedule;
import quern.recipe.QuernException;

/**
 * A schedule that rises from 0 to its peak in equal steps and then follows a factor of the peak.
 *
 * @param learningRate the peak
 * @param warmupSteps the steps of the rise
 * @param maxSteps the steps of the whole run
 * @param factor the share of the peak at a step from {@code warmupSteps} to {@code maxSteps}
 */
public record WarmedUp(double learningRate, int warmupSteps, int maxSteps, IntToDoubleFunction factor)
        implements Schedule {
    /** Checks that the run is long enough. */
    public WarmedUp {
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

    @Override
    public double rate(int step) {
        if (step < 0) {
            throw new IllegalArgumentException("step " + step + " of a schedule, which begins at 0");
        }
        if (step < warmupSteps) {
            return learningRate * ((double) step / warmupSteps);
        }
        return learningRate * factor.applyAsDouble(Math.min(step, maxSteps));
    }

    /** How far a step is from the end of warm-up to the end of the run, 0 to 1. */
    public static double progress(int step, int warmupSteps, int maxSteps) {
        return (double) (step - warmupSteps) / Math.max(1, maxSteps - warmupSteps);
    }
}
