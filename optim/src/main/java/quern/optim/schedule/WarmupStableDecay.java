package quern.optim.schedule;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import quern.optim.Schedule;
import quern.optim.ScheduleTechnique;
import quern.optim.internal.WarmedUp;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * A rise over {@code warmup_steps}, a long plateau at the peak, and a decay over the last {@code num_decay_steps}, as
 * transformers' {@code warmup_stable_decay}: Hu et al., "MiniCPM" (arXiv 2404.06395). With f the factor that a shape
 * gives and r {@code min_lr_ratio}, the rate is the peak times f · (1 - r) + r; so warm-up rises from r, not from 0, where
 * r is set. After the decay the rate stays at r of the peak.
 *
 * <p>With progress q from 0 to 1 through the rise f is q ({@code linear}), (1 - cos(πq)) / 2 ({@code cosine}) or 1 - √(1 -
 * q) ({@code 1-sqrt}); through the decay it is 1 - q, (1 + cos(2π · num_cycles · q)) / 2, or 1 - √q.
 */
public final class WarmupStableDecay implements ScheduleTechnique {
    private static final String LINEAR = "linear";
    private static final String COSINE = "cosine";
    private static final String ROOT = "1-sqrt";

    private interface Shape {
        double factor(double progress, double cycles);
    }

    private static final Map<String, Shape> RISES = Map.of(
            LINEAR, (q, cycles) -> q,
            COSINE, (q, cycles) -> 0.5 * (1 - Math.cos(Math.PI * q)),
            ROOT, (q, cycles) -> 1 - Math.sqrt(1 - q));
    private static final Map<String, Shape> DECAYS = Map.of(
            LINEAR, (q, cycles) -> 1 - q,
            COSINE, Cosine::factor,
            ROOT, (q, cycles) -> 1 - Math.sqrt(q));

    /**
     * Settings under {@code lr_scheduler_kwargs}.
     *
     * @param numDecaySteps the steps of the decay
     * @param numStableSteps the steps at the peak; absent: all that warm-up and decay leave
     * @param warmupType the shape of the rise: {@code linear}, {@code cosine} or {@code 1-sqrt}
     * @param decayType the shape of the decay, of the same names
     * @param minLrRatio the lowest rate as a share of the peak
     * @param numCycles the waves of a cosine decay; one half falls once
     */
    public record Config(
            @Doc("Steps of the decay at the end.") @Range(min = 0)
            int numDecaySteps,

            @Doc("Steps at the peak; all that warm-up and decay leave when left out.") @Range(min = 0)
            Optional<Integer> numStableSteps,

            @Doc("Shape of the rise: linear, cosine or 1-sqrt.") @Default("linear")
            String warmupType,

            @Doc("Shape of the decay: linear, cosine or 1-sqrt.") @Default("cosine")
            String decayType,

            @Doc("Lowest rate as a share of the peak.") @Default("0.0") @Range(min = 0, max = 1)
            double minLrRatio,

            @Doc("Waves of a cosine decay; 0.5 falls once.") @Default("0.5") @Range(min = 0, minExclusive = true)
            double numCycles) {
        /** Refuses unknown shapes and waves of what is no cosine. */
        public Config {
            requireShape("warmup_type", warmupType);
            requireShape("decay_type", decayType);
            if (numCycles != 0.5 && !decayType.equals(COSINE)) {
                throw new IllegalArgumentException("num_cycles: has no effect on decay_type: " + decayType);
            }
        }

        private static void requireShape(String key, String shape) {
            if (!RISES.containsKey(shape)) {
                throw new IllegalArgumentException(
                        "%s: expected %s, %s or %s, found '%s'".formatted(key, LINEAR, COSINE, ROOT, shape));
            }
        }
    }

    @Override
    public String id() {
        return "wsd";
    }

    @Override
    public Set<String> otherIds() {
        return Set.of("warmup_stable_decay");
    }

    @Override
    public String summary() {
        return "a rise, a long plateau at the peak, and a decay at the end";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Schedule create(double learningRate, int warmupSteps, int maxSteps, Record kwargs) {
        Config config = (Config) kwargs;
        WarmedUp.requireRun(learningRate, warmupSteps, maxSteps);
        int left = maxSteps - warmupSteps - config.numDecaySteps();
        if (left < 0 && config.numStableSteps().isEmpty()) {
            throw QuernException.badInput(
                    "lr_scheduler_kwargs.num_decay_steps: found %d, more than the %d steps that warm-up leaves; lower it or raise max_steps",
                    config.numDecaySteps(), maxSteps - warmupSteps);
        }
        int decayStart = warmupSteps + config.numStableSteps().orElse(left);
        Shape rise = RISES.get(config.warmupType());
        Shape decay = DECAYS.get(config.decayType());
        double least = config.minLrRatio();
        return step -> {
            WarmedUp.requireStep(step);
            double factor;
            if (step < warmupSteps) {
                factor = rise.factor((double) step / warmupSteps, 0.5);
            } else if (step < decayStart) {
                return learningRate;
            } else if (step < decayStart + config.numDecaySteps()) {
                factor = decay.factor((double) (step - decayStart) / config.numDecaySteps(), config.numCycles());
            } else {
                factor = 0;
            }
            return learningRate * (factor * (1 - least) + least);
        };
    }
}
