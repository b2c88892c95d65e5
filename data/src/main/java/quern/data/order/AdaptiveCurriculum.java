package quern.data.order;

import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import quern.data.internal.Mix;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;

/**
 * A curriculum by the losses that the rows had when the training met them. {@code self_paced} (Kumar, Packer and Koller 2010):
 * rows of low loss may be met, ever more of them. {@code loss_sampling} (as Loshchilov and Hutter 2015, arXiv:1511.06343, prefer
 * examples of high loss): a row is drawn in proportion to a power of its loss, mixed with uniform draws. A row that was not met
 * yet counts as one of the mean loss. The order is made anew from the losses every {@code refresh_steps} steps.
 */
public final class AdaptiveCurriculum implements Curriculum {
    /** Rows whose losses a checkpoint holds at most. */
    private static final int MOST_ROWS = 250_000;

    /** How rows are chosen. */
    public enum Mode {
        /** The easiest first, as the training finds them. */
        SELF_PACED,
        /** Rows of high loss more often. */
        LOSS_SAMPLING
    }

    /**
     * Settings.
     *
     * @param mode how rows are chosen
     * @param refreshSteps steps between two orders
     * @param pacing how the share of rows grows in {@code self_paced}
     * @param startShare the share in the first step
     * @param steps until all rows may be met
     * @param power of the loss in {@code loss_sampling}
     * @param uniformShare the share of uniform draws in {@code loss_sampling}
     */
    public record Config(
            @Doc("self_paced: rows of low loss first; loss_sampling: rows of high loss more often.")
            @Default("loss_sampling")
            Mode mode,

            @Doc("Steps after which the order is made anew from the losses.") @Default("20") @Range(min = 2)
            long refreshSteps,

            @Doc("How the share of rows that may be met grows in self_paced: linear or exponential.") @Default("linear")
            Pacing pacing,

            @Doc("The share of rows that may be met in the first step in self_paced.")
            @Default("0.5")
            @Range(min = 0, minExclusive = true, max = 1)
            double startShare,

            @Doc("Steps until all rows may be met in self_paced.") @Default("1000") @Range(min = 1)
            long steps,

            @Doc("Rows are drawn in proportion to this power of their loss in loss_sampling.")
            @Default("1.0")
            @Range(min = 0)
            double power,

            @Doc("The share of draws in loss_sampling that take any row alike.")
            @Default("0.1")
            @Range(min = 0, max = 1)
            double uniformShare) {
        /** Refuses a pacing that needs more than it is told here. */
        public Config {
            if (pacing != Pacing.LINEAR && pacing != Pacing.EXPONENTIAL) {
                throw new IllegalArgumentException(
                        "pacing: adaptive goes by linear or exponential; choose one of them");
            }
        }
    }

    @Override
    public String id() {
        return "adaptive";
    }

    @Override
    public String summary() {
        return "rows by the loss they had in this training: self-paced, or drawn by their loss";
    }

    @Override
    public Class<? extends Record> config() {
        return Config.class;
    }

    @Override
    public RowOrder open(Rows rows, Record config) {
        if (rows.count() > MOST_ROWS) {
            throw QuernException.badInput(
                    "data.curriculum: adaptive: %s has %,d rows, and losses are kept of %,d at most; raise max_length",
                    rows.origin(), rows.count(), MOST_ROWS);
        }
        return new ByLoss((int) rows.count(), (Config) config, rows.seed());
    }

    /** An order made of losses. */
    private static final class Table {
        final double[] losses;
        final int[] ranked;
        /** Sums of the draws' weights up to each row. */
        final double[] sums;

        Table(double[] recorded, Config config) {
            this.losses = recorded.clone();
            double mean = Arrays.stream(losses)
                    .filter(l -> !Double.isNaN(l))
                    .average()
                    .orElse(1);
            double[] filled =
                    Arrays.stream(losses).map(l -> Double.isNaN(l) ? mean : l).toArray();
            if (config.mode() == Mode.SELF_PACED) {
                ranked = PacedOrder.ranked(filled, PacedSettings.Direction.EASY_TO_HARD);
                sums = new double[0];
            } else {
                ranked = new int[0];
                sums = new double[filled.length];
                double sum = 0;
                for (int i = 0; i < sums.length; i++) {
                    sum += Math.pow(Math.max(filled[i], 0), config.power());
                    sums[i] = sum;
                }
            }
        }
    }

    private static final class ByLoss implements RowOrder {
        private final Config config;
        private final long seed;
        private final double[] losses;
        /** The orders by the first step that each holds for: the present one and what is known of the next. */
        private final TreeMap<Long, Table> tables = new TreeMap<>();

        ByLoss(int rows, Config config, long seed) {
            this.config = config;
            this.seed = seed;
            this.losses = new double[rows];
            Arrays.fill(losses, Double.NaN);
            tables.put(0L, new Table(losses, config));
        }

        private Table table(long step) {
            Map.Entry<Long, Table> found = tables.floorEntry(step);
            return found == null ? tables.firstEntry().getValue() : found.getValue();
        }

        @Override
        public long row(long n, long step) {
            Table table = table(step);
            if (config.mode() == Mode.SELF_PACED) {
                return PacedOrder.pick(table.ranked, PacedOrder.first(share(step), losses.length), n, seed);
            }
            double all = table.sums[losses.length - 1];
            if (draw(3 * n) < config.uniformShare() || !(all > 0)) {
                return Mix.below(seed, 3 * n + 1, losses.length);
            }
            int found = Arrays.binarySearch(table.sums, draw(3 * n + 2) * all);
            return Math.min(losses.length - 1, found >= 0 ? found + 1 : -found - 1);
        }

        /** A number in [0, 1). */
        private double draw(long index) {
            return (Mix.hash(seed, index) >>> 11) * 0x1p-53;
        }

        @Override
        public double share(long step) {
            return config.mode() == Mode.SELF_PACED
                    ? config.pacing().share(step, config.startShare(), config.steps(), 1, 1)
                    : 1;
        }

        @Override
        public boolean learns() {
            return true;
        }

        @Override
        public void observe(long step, long[] rows, double[] found) {
            for (int i = 0; i < rows.length; i++) {
                if (!Double.isNaN(found[i])) {
                    losses[(int) rows[i]] = found[i];
                }
            }
            if ((step + 2) % config.refreshSteps() == 0) {
                tables.put(step + 2, new Table(losses, config));
                // The step after this one is still read by the table before.
                while (tables.size() > 2) {
                    tables.pollFirstEntry();
                }
            }
        }

        @Override
        public Map<String, Double> state(long next) {
            Map<String, Double> state = new TreeMap<>();
            put(state, "loss.", losses);
            put(state, "ordered.", table(next).losses);
            return state;
        }

        private static void put(Map<String, Double> state, String prefix, double[] values) {
            for (int i = 0; i < values.length; i++) {
                if (!Double.isNaN(values[i])) {
                    state.put(prefix + i, values[i]);
                }
            }
        }

        @Override
        public void load(long next, Map<String, Double> state) {
            double[] ordered = new double[losses.length];
            for (int i = 0; i < losses.length; i++) {
                losses[i] = state.getOrDefault("loss." + i, Double.NaN);
                ordered[i] = state.getOrDefault("ordered." + i, Double.NaN);
            }
            tables.clear();
            tables.put(next, new Table(ordered, config));
            if (next > 0 && (next + 1) % config.refreshSteps() == 0) {
                // Made by the last step that was observed.
                tables.put(next + 1, new Table(losses, config));
            }
        }
    }
}
