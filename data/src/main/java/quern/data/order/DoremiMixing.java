package quern.data.order;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Mixing learned by a small proxy model (DoReMi, Xie et al. 2023, arXiv:2305.10429): the share of a corpus grows with the
 * exponential of its excess loss, by how much each token's loss lies above that of a reference model, 0 where below, and is
 * then smoothed with the uniform mixture. Rows are drawn from all corpora alike, and the shares (the paper's α) weigh their
 * losses (algorithm 1). The mean of all shares over the training is written to {@link Weights#FILE}; a larger model draws its rows
 * by them with {@code mixing: {type: fixed, weights_file: …}}. Reference, proxy and that model can be {@code stages} of one recipe.
 *
 * <p>Deviation: a step's losses are weighed by the shares that are known two steps before, since its batches are made while
 * the one before it is computed.
 */
public final class DoremiMixing implements Mixing {
    /** Settings. */
    public record Config(
            @Doc("The folder of the reference model: one of the proxy's size, trained on the sources' own weights.")
            Path reference,

            @Doc("How fast shares follow the excess loss.") @Default("1.0") @Range(min = 0, minExclusive = true)
            double rate,

            @Doc("The part of the uniform mixture in every update.") @Default("1e-3") @Range(min = 0, max = 1)
            double smoothing) {}

    @Override
    public String id() {
        return "doremi";
    }

    @Override
    public String summary() {
        return "shares that a proxy model learns by its excess loss over a reference model (DoReMi)";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public Optional<Path> reference(Record config) {
        return Optional.of(((Config) config).reference());
    }

    @Override
    public Shares open(Corpora corpora, Record config) {
        return new Robust(corpora.count(), (Config) config);
    }

    private static final class Robust implements Shares {
        private final Config config;
        private final double[] shares;
        private final double[] excess;
        private final double[] sums;
        private long steps;

        Robust(int count, Config config) {
            this.config = config;
            this.shares = new double[count];
            this.excess = new double[count];
            this.sums = new double[count];
            Arrays.fill(shares, 1.0 / count);
        }

        @Override
        public boolean learns() {
            return true;
        }

        @Override
        public boolean weighsLosses() {
            return true;
        }

        @Override
        public double[] at(long step) {
            return shares.clone();
        }

        @Override
        public void observe(long step, Seen seen) {
            double[] grown = new double[shares.length];
            for (int i = 0; i < grown.length; i++) {
                // A corpus without a row in this step keeps the excess it had.
                excess[i] = Double.isNaN(seen.excess()[i]) ? excess[i] : seen.excess()[i];
                grown[i] = shares[i] * Math.exp(config.rate() * excess[i]);
            }
            double[] scaled = Weights.shares(grown);
            steps++;
            for (int i = 0; i < grown.length; i++) {
                shares[i] = (1 - config.smoothing()) * scaled[i] + config.smoothing() / grown.length;
                sums[i] += shares[i];
            }
        }

        @Override
        public double[] result() {
            return steps == 0
                    ? shares.clone()
                    : Arrays.stream(sums).map(s -> s / steps).toArray();
        }

        @Override
        public Map<String, Double> state() {
            Map<String, Double> state = new TreeMap<>();
            state.put("steps", (double) steps);
            for (int i = 0; i < shares.length; i++) {
                state.put("share." + i, shares[i]);
                state.put("excess." + i, excess[i]);
                state.put("sum." + i, sums[i]);
            }
            return state;
        }

        @Override
        public void load(Map<String, Double> state) {
            steps = state.get("steps").longValue();
            for (int i = 0; i < shares.length; i++) {
                shares[i] = state.get("share." + i);
                excess[i] = state.get("excess." + i);
                sums[i] = state.get("sum." + i);
            }
        }
    }
}
