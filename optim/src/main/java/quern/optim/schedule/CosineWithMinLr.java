package quern.optim.schedule;

import java.util.Optional;
import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * A linear rise from 0 over {@code warmup_steps}, then a cosine from the peak to a floor, as transformers' schedule of
 * this name: {@link Cosine}'s factor f becomes f · (1 - r) + r, where r is {@code min_lr_rate}, or {@code min_lr} divided
 * by the peak.
 */
public final class CosineWithMinLr implements ScheduleTechnique {
    /**
     * Settings under {@code lr_scheduler_kwargs}: exactly one of the two floors.
     *
     * @param minLr the rate at the end
     * @param minLrRate the rate at the end as a share of the peak
     * @param numCycles the waves of the cosine; one half falls from the peak to the floor once
     */
    public record Config(
            @Doc("Rate at the end; give this or min_lr_rate.") @Range(min = 0)
            Optional<Double> minLr,

            @Doc("Rate at the end as a share of learning_rate; give this or min_lr.") @Range(min = 0, max = 1)
            Optional<Double> minLrRate,

            @Doc("Waves of the cosine over the run; 0.5 falls from the peak to the floor once.")
            @Default("0.5")
            @Range(min = 0, minExclusive = true)
            double numCycles) {
        /** Refuses none and both of the floors. */
        public Config {
            if (minLr.isPresent() == minLrRate.isPresent()) {
                throw new IllegalArgumentException(
                        minLr.isPresent()
                                ? "min_lr_rate: contradicts min_lr; give one of the two"
                                : "cosine_with_min_lr needs min_lr or min_lr_rate under lr_scheduler_kwargs");
            }
        }
    }

    @Override
    public String id() {
        return "cosine_with_min_lr";
    }

    @Override
    public String summary() {
        return "half a cosine from the peak to a floor, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        Config config = (Config) kwargs;
        double floor = config.minLrRate().orElseGet(() -> floor(config.minLr().orElseThrow(), learningRate));
        return WarmedUp.scaled(learningRate, warmupSteps, maxSteps, step -> {
            double f = Cosine.factor(WarmedUp.progress(step, warmupSteps, maxSteps), config.numCycles());
            return f * (1 - floor) + floor;
        });
    }

    private static double floor(double minLr, double learningRate) {
        if (!(minLr <= learningRate)) {
            throw QuernException.badInput(
                    "lr_scheduler_kwargs.min_lr: found %s, above learning_rate, which is %s", minLr, learningRate);
        }
        return learningRate == 0 ? 0 : minLr / learningRate;
    }
}
