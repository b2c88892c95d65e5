package quern.optim.schedule;

import java.util.Optional;
import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A linear rise from 0 to {@code learning_rate} over {@code warmup_steps}, then one long cycle, as torch's {@code
 * OneCycleLR}: Smith and Topin, "Super-Convergence" (arXiv 1708.07120).
 *
 * <p>The cycle has T = {@code max_steps - warmup_steps} steps. It begins at max / {@code div_factor}, rises to max over
 * the share {@code pct_start} and falls to the first rate / {@code final_div_factor} over the rest; with {@code
 * three_phase} it falls as it rose and sinks to the last rate after that. The rise begins low by itself, so most runs
 * leave {@code warmup_steps} at 0.
 */
public final class OneCycle implements ScheduleTechnique {
    /** The way from one rate to the next. */
    public enum Anneal {
        /** Half a cosine. */
        COS {
            @Override
            double between(double start, double end, double share) {
                return end + (start - end) / 2 * (Math.cos(Math.PI * share) + 1);
            }
        },
        /** A straight line. */
        LINEAR {
            @Override
            double between(double start, double end, double share) {
                return (end - start) * share + start;
            }
        };

        abstract double between(double start, double end, double share);
    }

    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param maxLr the highest rate; {@code learning_rate} where absent
     * @param totalSteps the steps of the cycle; those after warm-up where absent. Past them the last rate holds
     * @param pctStart the share of the cycle that rises
     * @param annealStrategy the way between the rates
     * @param divFactor the highest rate over the first
     * @param finalDivFactor the first rate over the last
     * @param threePhase whether the fall to the first rate mirrors the rise, before a third phase
     * @param cycleMomentum only false: momentum is the optimizer's own and does not follow the rate
     */
    public record Config(
            @Doc("Highest rate; learning_rate when left out.") @Range(min = 0)
            Optional<Double> maxLr,

            @Doc("Steps of the cycle; all after warm-up when left out.") @Range(min = 1)
            Optional<Integer> totalSteps,

            @Doc("Share of the cycle that rises.") @Default("0.3") @Range(min = 0, max = 1)
            double pctStart,

            @Doc("The way between rates: half a cosine or a straight line.") @Default("cos")
            Anneal annealStrategy,

            @Doc("Highest rate over the first.") @Default("25.0") @Range(min = 0, minExclusive = true)
            double divFactor,

            @Doc("First rate over the last.") @Default("1e4") @Range(min = 0, minExclusive = true)
            double finalDivFactor,

            @Doc("Whether the fall mirrors the rise before a third phase down to the last rate.") @Default("false")
            boolean threePhase,

            @Doc("Only false: momentum does not follow the rate.") @Default("false")
            boolean cycleMomentum) {
        /** Refuses cycling the momentum. */
        public Config {
            requireSteadyMomentum(cycleMomentum);
        }
    }

    static void requireSteadyMomentum(boolean cycleMomentum) {
        if (cycleMomentum) {
            throw new IllegalArgumentException(
                    "cycle_momentum: momentum does not follow the rate here; leave it out or set it to false");
        }
    }

    /** From the end of the phase before to {@code end}, in steps of the cycle. */
    private record Phase(double end, double from, double to) {}

    @Override
    public String id() {
        return "one_cycle";
    }

    @Override
    public String summary() {
        return "one rise to the peak and one long fall far below the start, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        Config config = (Config) kwargs;
        int total = config.totalSteps().orElse(Math.max(1, maxSteps - warmupSteps));
        double max = config.maxLr().orElse(learningRate);
        double first = max / config.divFactor();
        double last = first / config.finalDivFactor();
        double rise = config.pctStart() * total;
        Phase up = new Phase(rise - 1, first, max);
        Phase[] phases = config.threePhase()
                ? new Phase[] {up, new Phase(2 * rise - 2, max, first), new Phase(total - 1, first, last)}
                : new Phase[] {up, new Phase(total - 1, max, last)};
        return new WarmedUp(
                learningRate,
                warmupSteps,
                maxSteps,
                step -> rate(phases, Math.min(step - warmupSteps, total), config.annealStrategy()));
    }

    private static double rate(Phase[] phases, int step, Anneal anneal) {
        double start = 0;
        int i = 0;
        while (i < phases.length - 1 && step > phases[i].end()) {
            start = phases[i].end();
            i++;
        }
        Phase phase = phases[i];
        double length = phase.end() - start;
        // A phase without steps is over at once.
        double share = length == 0 ? 1 : (step - start) / length;
        return Math.max(0, anneal.between(phase.from(), phase.to(), share));
    }
}
