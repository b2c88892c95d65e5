package quern.data.order;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Mixing that follows the loss (online data mixing, Albalak et al. 2023, arXiv:2312.02406): the corpora are the arms of a
 * bandit, a corpus's loss is its reward, and its share grows with the exponential of its mean reward (EXP3, Auer et al. 2002).
 * The rate of exploration falls as {@code sqrt(ln K / (K t))} for K corpora at step t, never above {@code 1/K}.
 *
 * <p>The paper draws one corpus a step and divides its reward by the probability of that. Here a step has rows of several
 * corpora, so a reward is divided by the probability of being met in the step at all, {@code min(1, share * rows)}, which is the
 * paper's with one row a step.
 */
public final class OnlineMixing implements Mixing {
    /** Settings. */
    public record Config(
            @Doc("How much of the running mean of rewards stays each step.")
            @Default("0.9")
            @Range(min = 0, max = 1, maxExclusive = true)
            double smoothing,

            @Doc("Steps that go by the sources' weights while rewards are gathered.") @Default("0") @Range(min = 0)
            long warmupSteps) {}

    @Override
    public String id() {
        return "online";
    }

    @Override
    public String summary() {
        return "shares grow with a corpus's running loss, with exploration (online data mixing)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Shares open(Corpora corpora, Record config) {
        return new Bandit(corpora, (Config) config);
    }

    private static final class Bandit implements Shares {
        private final Config config;
        private final double[] given;
        private final long rows;
        private final double[] rewards;
        private long steps;

        Bandit(Corpora corpora, Config config) {
            this.config = config;
            this.given = Weights.shares(corpora.weights());
            this.rows = corpora.rowsPerStep();
            this.rewards = new double[given.length];
            Arrays.fill(rewards, Double.NaN);
        }

        @Override
        public boolean learns() {
            return true;
        }

        @Override
        public double[] at(long step) {
            // A corpus that was never met has no reward to compare.
            if (steps <= config.warmupSteps() || Arrays.stream(rewards).anyMatch(Double::isNaN)) {
                return given.clone();
            }
            int k = rewards.length;
            double now = exploration(k, steps);
            double before = exploration(k, steps - 1);
            double most = Arrays.stream(rewards).max().orElseThrow();
            double[] shares = Weights.shares(Arrays.stream(rewards)
                    .map(r -> Math.exp(before * (r - most)))
                    .toArray());
            for (int i = 0; i < k; i++) {
                shares[i] = (1 - k * now) * shares[i] + now;
            }
            return shares;
        }

        private static double exploration(int k, long step) {
            return Math.min(1.0 / k, Math.sqrt(Math.log(k) / (k * (double) Math.max(1, step))));
        }

        @Override
        public void observe(long step, Seen seen) {
            steps++;
            for (int i = 0; i < rewards.length; i++) {
                if (Double.isNaN(seen.losses()[i])) {
                    continue;
                }
                double reward = seen.losses()[i] / Math.min(1, seen.shares()[i] * rows);
                rewards[i] = Double.isNaN(rewards[i])
                        ? reward
                        : config.smoothing() * rewards[i] + (1 - config.smoothing()) * reward;
            }
        }

        @Override
        public Map<String, Double> state() {
            Map<String, Double> state = new TreeMap<>();
            state.put("steps", (double) steps);
            for (int i = 0; i < rewards.length; i++) {
                if (!Double.isNaN(rewards[i])) {
                    state.put("reward." + i, rewards[i]);
                }
            }
            return state;
        }

        @Override
        public void load(Map<String, Double> state) {
            steps = state.get("steps").longValue();
            for (int i = 0; i < rewards.length; i++) {
                rewards[i] = state.getOrDefault("reward." + i, Double.NaN);
            }
        }
    }
}
