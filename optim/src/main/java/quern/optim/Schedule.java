package quern.optim;

import quern.recipe.QuernException;

/**
 * The learning rate of each step, in double precision: a pure function of the step, unless it is a {@link
 * MetricSchedule}.
 */
@FunctionalInterface
public interface Schedule {
    /**
     * The rate used at a step, counted from 0. From {@code max_steps} on, where no training asks, the schedule's formula
     * goes on; the rate stays finite and not negative.
     *
     * @throws IllegalArgumentException when the step is negative
     */
    double rate(int step);

    /**
     * The number of warm-up steps that a recipe's {@code warmup_steps} means: below 1 it is a share of the training,
     * rounded up; from 1 on a whole number of steps. It is bad input when it is neither, or when warm-up would outlast
     * the training.
     */
    static int warmupSteps(double warmupSteps, int maxSteps) {
        if (!(warmupSteps >= 0)) {
            throw QuernException.badInput(
                    "warmup_steps: found %s, expected 0 or more steps, or a share of max_steps below 1", warmupSteps);
        }
        if (warmupSteps < 1) {
            return (int) Math.ceil(maxSteps * warmupSteps);
        }
        if (warmupSteps > maxSteps) {
            throw QuernException.badInput(
                    "warmup_steps: found %s, longer than the training of %d steps; lower it or raise max_steps",
                    warmupSteps == Math.rint(warmupSteps) ? "%.0f".formatted(warmupSteps) : warmupSteps, maxSteps);
        }
        if (warmupSteps != Math.rint(warmupSteps)) {
            throw QuernException.badInput(
                    "warmup_steps: found %s, expected a whole number of steps, or a share of max_steps below 1",
                    warmupSteps);
        }
        return (int) warmupSteps;
    }
}
