package quern.optim.schedule;

import java.util.Optional;
import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A linear rise from 0 over {@code warmup_steps}, then a fall with the root of time, as transformers' schedule of this
 * name: the factor is 1 / √((t + timescale) / timescale) with t steps since warm-up. With the default timescale, the
 * steps of warm-up, this is the schedule of Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762).
 */
public final class InverseSqrt implements ScheduleTechnique {
    // transformers' timescale where there is no warm-up either.
    private static final int TIMESCALE = 10_000;

    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param timescale the steps after warm-up in which the rate falls by a factor of √2; absent: the steps of warm-up, or
     *     10,000 where there are none
     */
    public record Config(
            @Doc("Steps after warm-up in which the rate falls by the root of 2; warm-up's steps when left out.")
            @Range(min = 1)
            Optional<Integer> timescale) {}

    @Override
    public String id() {
        return "inverse_sqrt";
    }

    @Override
    public String summary() {
        return "a fall with the root of time, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        int timescale = ((Config) kwargs).timescale().orElse(warmupSteps > 0 ? warmupSteps : TIMESCALE);
        return WarmedUp.scaled(
                learningRate,
                warmupSteps,
                maxSteps,
                step -> 1 / Math.sqrt(((double) step - warmupSteps + timescale) / timescale));
    }
}
