package quern.optim.schedule;

import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A linear rise from 0 over {@code warmup_steps}, then a decay by the same factor every step: the peak times {@code
 * gamma} to the power of the steps since warm-up, as torch's {@code ExponentialLR}.
 */
public final class Exponential implements ScheduleTechnique {
    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param gamma what the rate is multiplied by after every step
     */
    public record Config(
            @Doc("What the rate is multiplied by after every step.") @Range(min = 0, minExclusive = true)
            double gamma) {}

    @Override
    public String id() {
        return "exponential";
    }

    @Override
    public String summary() {
        return "a fall by the same factor every step, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        double gamma = ((Config) kwargs).gamma();
        return WarmedUp.scaled(learningRate, warmupSteps, maxSteps, step -> Math.pow(gamma, step - warmupSteps));
    }
}
