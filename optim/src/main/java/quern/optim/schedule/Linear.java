package quern.optim.schedule;

import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;

/** A linear rise from 0 over {@code warmup_steps}, then a linear fall that reaches 0 at {@code max_steps}, as transformers' schedule of this name. */
public final class Linear implements ScheduleTechnique {
    /** There is nothing to set under {@code lr_scheduler_kwargs}. */
    public record Config() {}

    @Override
    public String id() {
        return "linear";
    }

    @Override
    public String summary() {
        return "a linear fall to 0, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        return WarmedUp.scaled(
                learningRate,
                warmupSteps,
                maxSteps,
                step -> Math.max(0, (double) (maxSteps - step) / Math.max(1, maxSteps - warmupSteps)));
    }
}
