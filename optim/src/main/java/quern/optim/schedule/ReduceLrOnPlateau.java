package quern.optim.schedule;

import java.util.Map;
import java.util.TreeMap;
import quern.optim.MetricSchedule;
import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * A linear rise from 0 over {@code warmup_steps}, then the same rate until the watched metric stops becoming better, when
 * it is multiplied by {@code factor}, and so on: torch's {@code ReduceLROnPlateau}. The metric is {@code
 * metric_for_best_model}, and a unit of patience is an evaluation.
 *
 * <p>An evaluation is better when its metric beats the best by {@code threshold}: a share of the best ({@code rel}) or an
 * amount ({@code abs}). After more than {@code patience} evaluations in a row without one the rate falls, though not
 * below {@code min_lr} nor by {@code eps} or less; the next {@code cooldown} evaluations are not counted against it.
 * Evaluations during warm-up are not looked at.
 */
public final class ReduceLrOnPlateau implements ScheduleTechnique {
    /** Which values of the metric are better. */
    public enum Mode {
        /** Smaller ones. */
        MIN,
        /** Larger ones. */
        MAX
    }

    /** What {@code threshold} is measured in. */
    public enum ThresholdMode {
        /** Shares of the best value. */
        REL,
        /** The metric's own unit. */
        ABS
    }

    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param mode which values are better
     * @param factor what the rate is multiplied by
     * @param patience evaluations without improvement that are borne
     * @param threshold how much better counts as better
     * @param thresholdMode what {@code threshold} is measured in
     * @param cooldown evaluations after a reduction during which none is counted as bad
     * @param minLr the lowest rate
     * @param eps the least reduction
     */
    public record Config(
            @Doc("Whether smaller (min) or larger (max) values of the metric are better.") @Default("min")
            Mode mode,

            @Doc("What the rate is multiplied by.") @Default("0.1") @Range(min = 0, max = 1, maxExclusive = true)
            double factor,

            @Doc("Evaluations in a row without improvement that are borne.") @Default("10") @Range(min = 0)
            int patience,

            @Doc("How much better counts as better.") @Default("1e-4") @Range(min = 0)
            double threshold,

            @Doc("Whether threshold is a share of the best value (rel) or an amount (abs).") @Default("rel")
            ThresholdMode thresholdMode,

            @Doc("Evaluations after a reduction during which none is counted as bad.") @Default("0") @Range(min = 0)
            int cooldown,

            @Doc("The lowest rate.") @Default("0.0") @Range(min = 0)
            double minLr,

            @Doc("The rate is left alone when it would fall by no more than this.") @Default("1e-8") @Range(min = 0)
            double eps) {
        private boolean isBetter(double value, double best) {
            return switch (thresholdMode) {
                case REL -> mode == Mode.MIN ? value < best * (1 - threshold) : value > best * (1 + threshold);
                case ABS -> mode == Mode.MIN ? value < best - threshold : value > best + threshold;
            };
        }
    }

    @Override
    public String id() {
        return "reduce_lr_on_plateau";
    }

    @Override
    public String summary() {
        return "the same rate until the evaluated metric stops becoming better, then a smaller one, after warm-up";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public boolean followsMetric() {
        return true;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        return new Plateau(learningRate, warmupSteps, maxSteps, (Config) kwargs);
    }

    private static final class Plateau implements MetricSchedule {
        private static final String RATE = "rate";
        private static final String BEST = "best";
        private static final String BAD = "bad";
        private static final String COOLING = "cooling";

        private final double learningRate;
        private final Config config;
        private final WarmedUp rates;
        private double rate;
        private double best;
        private int bad;
        private int cooling;

        Plateau(double learningRate, int warmupSteps, int maxSteps, Config config) {
            this.learningRate = learningRate;
            this.config = config;
            this.rates = new WarmedUp(learningRate, warmupSteps, maxSteps, step -> rate);
            load(Map.of());
        }

        @Override
        public boolean higherIsBetter() {
            return config.mode() == Mode.MAX;
        }

        @Override
        public double rate(int step) {
            return rates.rate(step);
        }

        @Override
        public void observe(int step, double metric) {
            WarmedUp.requireStep(step);
            if (step < rates.warmupSteps()) {
                return;
            }
            if (config.isBetter(metric, best)) {
                best = metric;
                bad = 0;
            } else {
                bad++;
            }
            if (cooling > 0) {
                cooling--;
                bad = 0;
            }
            if (bad > config.patience()) {
                double lower = Math.max(rate * config.factor(), config.minLr());
                if (rate - lower > config.eps()) {
                    rate = lower;
                }
                cooling = config.cooldown();
                bad = 0;
            }
        }

        @Override
        public Map<String, Double> state() {
            Map<String, Double> state = new TreeMap<>();
            state.put(RATE, rate);
            state.put(BAD, (double) bad);
            state.put(COOLING, (double) cooling);
            if (Double.isFinite(best)) {
                state.put(BEST, best);
            }
            return state;
        }

        @Override
        public void load(Map<String, Double> state) {
            rate = state.getOrDefault(RATE, learningRate);
            best = state.getOrDefault(BEST, higherIsBetter() ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY);
            bad = state.getOrDefault(BAD, 0.0).intValue();
            cooling = state.getOrDefault(COOLING, 0.0).intValue();
        }
    }
}
