package quern.optim.schedule;

import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * A linear rise from 0 over {@code warmup_steps}, then (peak - lr_end) · (1 - q)<sup>power</sup> + lr_end with progress q
 * from 0 to 1, as transformers' schedule of this name.
 */
public final class Polynomial implements ScheduleTechnique {
    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param lrEnd the rate at the end, below the peak
     * @param power the exponent; one falls in a straight line
     */
    public record Config(
            @Doc("Rate at the end.") @Default("1e-7") @Range(min = 0)
            double lrEnd,

            @Doc("Exponent of the share that is left; 1 falls in a straight line.")
            @Default("1.0")
            @Range(min = 0, minExclusive = true)
            double power) {}

    @Override
    public String id() {
        return "polynomial";
    }

    @Override
    public String summary() {
        return "a fall by a power of the share that is left, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        Config config = (Config) kwargs;
        if (!(config.lrEnd() < learningRate)) {
            throw QuernException.badInput(
                    "lr_scheduler_kwargs.lr_end: found %s, expected less than learning_rate, which is %s",
                    config.lrEnd(), learningRate);
        }
        return new WarmedUp(learningRate, warmupSteps, maxSteps, step -> {
            double left = Math.max(0, 1 - WarmedUp.progress(step, warmupSteps, maxSteps));
            return (learningRate - config.lrEnd()) * Math.pow(left, config.power()) + config.lrEnd();
        });
    }
}
