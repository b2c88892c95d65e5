package quern.optim.schedule;

import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;

/** The same rate throughout. Where {@code warmup_steps} is given the rate first rises from 0; transformers' schedule of this name would ignore it. */
public final class Constant implements ScheduleTechnique {
    /** There is nothing to set under {@code lr_scheduler_kwargs}. */
    public record Config() {}

    @Override
    public String id() {
        return "constant";
    }

    @Override
    public String summary() {
        return "the same rate throughout, after warm-up where there is one";
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
