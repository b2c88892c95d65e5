package quern.optim.schedule;

import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;

/** A linear rise from 0 over {@code warmup_steps}, then the same rate, as transformers' schedule of this name. */
public final class ConstantWithWarmup implements ScheduleTechnique {
    /** There is nothing to set under {@code lr_scheduler_kwargs}. */
    public record Config() {}

    @Override
    public String id() {
        return "constant_with_warmup";
    }

    @Override
    public String summary() {
        return "a linear rise from 0, then the same rate";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        return new WarmedUp(learningRate, warmupSteps, maxSteps, step -> learningRate);
    }
}
