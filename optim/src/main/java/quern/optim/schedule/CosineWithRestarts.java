package quern.optim.schedule;

import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A linear rise from 0 over {@code warmup_steps}, then {@code num_cycles} half cosines of equal length from the peak to
 * 0, as transformers' schedule of this name: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm
 * Restarts" (arXiv 1608.03983). With progress q from 0 to 1 after warm-up the factor is (1 + cos(π · (num_cycles · q mod
 * 1))) / 2.
 */
public final class CosineWithRestarts implements ScheduleTechnique {
    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param numCycles how many times the rate falls to 0
     */
    public record Config(
            @Doc("How many times the rate falls from the peak to 0.") @Default("1") @Range(min = 0, minExclusive = true)
            double numCycles) {}

    @Override
    public String id() {
        return "cosine_with_restarts";
    }

    @Override
    public String summary() {
        return "several half cosines from the peak to 0, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        double cycles = ((Config) kwargs).numCycles();
        return WarmedUp.scaled(learningRate, warmupSteps, maxSteps, step -> {
            double progress = WarmedUp.progress(step, warmupSteps, maxSteps);
            // One half of a wave is num_cycles 0.5 of a plain cosine.
            return progress >= 1 ? 0 : Cosine.factor(cycles * progress % 1, 0.5);
        });
    }
}
