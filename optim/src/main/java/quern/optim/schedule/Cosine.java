package quern.optim.schedule;

import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A linear rise from 0 over {@code warmup_steps}, then a cosine from the peak towards 0, as transformers' schedule of this
 * name. With progress q from 0 to 1 after warm-up the factor is (1 + cos(2π · num_cycles · q)) / 2. The shape is that of
 * Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (arXiv 1608.03983), without restarts.
 */
public final class Cosine implements ScheduleTechnique {
    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param numCycles the waves of the cosine; one half falls from the peak to 0 once
     */
    public record Config(
            @Doc("Waves of the cosine over the run; 0.5 falls from the peak to 0 once.")
            @Default("0.5")
            @Range(min = 0, minExclusive = true)
            double numCycles) {}

    @Override
    public String id() {
        return "cosine";
    }

    @Override
    public String summary() {
        return "half a cosine from the peak to 0, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        double cycles = ((Config) kwargs).numCycles();
        return WarmedUp.scaled(
                learningRate,
                warmupSteps,
                maxSteps,
                step -> factor(WarmedUp.progress(step, warmupSteps, maxSteps), cycles));
    }

    static double factor(double progress, double cycles) {
        return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress)));
    }
}
