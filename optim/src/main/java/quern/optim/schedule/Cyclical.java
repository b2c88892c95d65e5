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
 * A linear rise from 0 to {@code learning_rate} over {@code warmup_steps}, then triangles between two bounds, as torch's
 * {@code CyclicLR}: Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv 1506.01186).
 *
 * <p>With t steps since warm-up, a cycle of {@code step_size_up + step_size_down} steps and c = 1, 2… its number, the rate
 * is base + (max - base) · h · s: h is the height of the triangle, from 0 to 1 and back, and s its scale: 1 ({@code
 * triangular}), 2<sup>1-c</sup> ({@code triangular2}) or gamma<sup>t</sup> ({@code exp_range}).
 *
 * <p>A bound that is left out is {@code learning_rate}; at least one must be given. torch's {@code scale_fn} is a program
 * and not offered, nor is {@code scale_mode}, which goes with it.
 */
public final class Cyclical implements ScheduleTechnique {
    /** How the height of a cycle changes with time. */
    public enum Mode {
        /** Every cycle is as high as the first. */
        TRIANGULAR {
            @Override
            double scale(double gamma, double cycle, double steps) {
                return 1;
            }
        },
        /** Every cycle is half as high as the one before. */
        TRIANGULAR2 {
            @Override
            double scale(double gamma, double cycle, double steps) {
                return Math.pow(2, 1 - cycle);
            }
        },
        /** The height is multiplied by gamma every step. */
        EXP_RANGE {
            @Override
            double scale(double gamma, double cycle, double steps) {
                return Math.pow(gamma, steps);
            }
        };

        abstract double scale(double gamma, double cycle, double steps);
    }

    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param baseLr the rate at which cycles begin and end
     * @param maxLr the rate at the height of the first cycle
     * @param stepSizeUp the steps of the rising half
     * @param stepSizeDown the steps of the falling half; as many as of the rising one where absent
     * @param mode how the height changes with time
     * @param gamma the factor of {@code exp_range}
     * @param cycleMomentum only false: momentum is the optimizer's own and does not follow the rate
     */
    public record Config(
            @Doc("Rate at which cycles begin and end; learning_rate when left out.") @Range(min = 0)
            Optional<Double> baseLr,

            @Doc("Rate at the height of the first cycle; learning_rate when left out.") @Range(min = 0)
            Optional<Double> maxLr,

            @Doc("Steps of the rising half of a cycle.") @Default("2000") @Range(min = 0, minExclusive = true)
            double stepSizeUp,

            @Doc("Steps of the falling half; step_size_up when left out.") @Range(min = 0, minExclusive = true)
            Optional<Double> stepSizeDown,

            @Doc("Height of later cycles: the same, halved each time, or multiplied by gamma every step.")
            @Default("triangular")
            Mode mode,

            @Doc("What exp_range multiplies the height by every step.")
            @Default("1.0")
            @Range(min = 0, minExclusive = true)
            double gamma,

            @Doc("Only false: momentum does not follow the rate.") @Default("false")
            boolean cycleMomentum) {
        /** Refuses a missing bound, and settings without effect. */
        public Config {
            if (baseLr.isEmpty() && maxLr.isEmpty()) {
                throw new IllegalArgumentException(
                        "cyclical needs base_lr or max_lr under lr_scheduler_kwargs; the one left out is learning_rate");
            }
            if (gamma != 1 && mode != Mode.EXP_RANGE) {
                throw new IllegalArgumentException("gamma: has no effect on this mode; set mode: exp_range");
            }
            OneCycle.requireSteadyMomentum(cycleMomentum);
        }
    }

    @Override
    public String id() {
        return "cyclical";
    }

    @Override
    public String summary() {
        return "triangles between two rates, equal or shrinking, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        Config config = (Config) kwargs;
        double base = config.baseLr().orElse(learningRate);
        double max = config.maxLr().orElse(learningRate);
        if (base > max) {
            throw QuernException.badInput(
                    "lr_scheduler_kwargs.base_lr: found %s, above max_lr, which is %s (the one left out is learning_rate)",
                    base, max);
        }
        double length = config.stepSizeUp() + config.stepSizeDown().orElse(config.stepSizeUp());
        double top = config.stepSizeUp() / length;
        return new WarmedUp(learningRate, warmupSteps, maxSteps, step -> {
            double steps = step - warmupSteps;
            double cycle = Math.floor(1 + steps / length);
            double x = 1 + steps / length - cycle;
            double height = x <= top ? x / top : (x - 1) / (top - 1);
            return base + (max - base) * height * config.mode().scale(config.gamma(), cycle, steps);
        });
    }
}
