package quern.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import quern.data.internal.Mix;

/**
 * Batches of several tasks in turn. The turns lie in cycles of {@value #CYCLE} batches: in each a task has as many as its share
 * says, one at least, in an order drawn from the seed and the cycle's number; so shares hold over any cycle, and which task a
 * batch belongs to and which of that task's batches it is takes constant time. A task that runs out of batches begins its next
 * epoch while others are in theirs.
 */
public final class TaskMixture implements BatchSource {
    static final int CYCLE = 1000;
    static final double UNCERTAINTY_RATE = 0.05;

    /**
     * A task's batches.
     *
     * @param name its name among the tasks
     * @param batches what it learns from
     * @param weight its weight, where weights are fixed
     */
    record Turn(String name, BatchSource batches, double weight) {}

    private final List<Turn> turns;
    private final MultiTask.Weighting weighting;
    private final double uncertaintyRate;
    private final long seed;
    private final List<TokenStream> texts;
    /** Turns in a cycle before those of each task; the last is {@link #CYCLE}. */
    private final int[] before;

    TaskMixture(
            List<Turn> turns,
            MultiTask.Weighting weighting,
            double temperature,
            double uncertaintyRate,
            long seed,
            List<TokenStream> texts) {
        this.turns = List.copyOf(turns);
        this.weighting = weighting;
        this.uncertaintyRate = uncertaintyRate;
        this.seed = seed;
        this.texts = List.copyOf(texts);
        double[] weights = turns.stream()
                .mapToDouble(turn -> switch (weighting) {
                    case FIXED -> turn.weight();
                    case PROPORTIONAL -> Math.pow(turn.batches().batchesPerEpoch(), 1 / temperature);
                    case UNCERTAINTY -> 1;
                })
                .toArray();
        int[] counts = counts(weights);
        this.before = new int[counts.length + 1];
        for (int i = 0; i < counts.length; i++) {
            before[i + 1] = before[i] + counts[i];
        }
    }

    /** A cycle divided by weights, at least one for each; what rounding leaves goes to the largest remainders. */
    static int[] counts(double[] weights) {
        double sum = Arrays.stream(weights).sum();
        int[] counts = new int[weights.length];
        double[] rest = new double[weights.length];
        int left = CYCLE;
        for (int i = 0; i < weights.length; i++) {
            double share = weights[i] / sum * CYCLE;
            counts[i] = Math.max(1, (int) share);
            rest[i] = share - counts[i];
            left -= counts[i];
        }
        while (left != 0) {
            int chosen = -1;
            for (int i = 0; i < counts.length; i++) {
                boolean may = left > 0 || counts[i] > 1;
                if (may && (chosen < 0 || (left > 0 ? rest[i] > rest[chosen] : rest[i] < rest[chosen]))) {
                    chosen = i;
                }
            }
            int change = Integer.signum(left);
            counts[chosen] += change;
            rest[chosen] -= change;
            left -= change;
        }
        return counts;
    }

    /** The tasks' names. */
    public List<String> taskNames() {
        return turns.stream().map(Turn::name).toList();
    }

    /** How the tasks are weighed against each other. */
    public MultiTask.Weighting weighting() {
        return weighting;
    }

    /** The rate at which the logarithms of the variances descend, where they are learned. */
    public double uncertaintyRate() {
        return uncertaintyRate;
    }

    /** The share of turns that each task has, in the order of {@link #taskNames}. */
    public double[] shares() {
        double[] shares = new double[turns.size()];
        for (int i = 0; i < shares.length; i++) {
            shares[i] = (double) (before[i + 1] - before[i]) / CYCLE;
        }
        return shares;
    }

    /** Which task a batch belongs to, as its place in {@link #taskNames}. */
    public int task(long globalBatchIndex) {
        Permutation order = order(globalBatchIndex / CYCLE);
        return at((int) order.at(globalBatchIndex % CYCLE));
    }

    private Permutation order(long cycle) {
        return new Permutation(CYCLE, Mix.hash(Mix.hash(seed, -11), cycle));
    }

    /** The task that has a place of an unshuffled cycle. */
    private int at(int place) {
        int task = 0;
        while (place >= before[task + 1]) {
            task++;
        }
        return task;
    }

    @Override
    public long batchesPerEpoch() {
        return turns.stream()
                .mapToLong(turn -> turn.batches().batchesPerEpoch())
                .sum();
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long cycle = globalBatchIndex / CYCLE;
        int place = (int) (globalBatchIndex % CYCLE);
        Permutation order = order(cycle);
        int task = at((int) order.at(place));
        long own = cycle * (before[task + 1] - before[task]);
        for (int i = 0; i < place; i++) {
            own += at((int) order.at(i)) == task ? 1 : 0;
        }
        return turns.get(task).batches().batch(own);
    }

    @Override
    public List<TokenStream> texts() {
        List<TokenStream> all = new ArrayList<>(texts);
        turns.forEach(turn -> all.addAll(turn.batches().texts()));
        return List.copyOf(all);
    }

    @Override
    public List<String> notices() {
        List<String> all = new ArrayList<>();
        double[] shares = shares();
        for (int i = 0; i < shares.length; i++) {
            all.add(String.format(
                    Locale.ROOT, "task %s: %.1f%% of the batches", turns.get(i).name(), 100 * shares[i]));
        }
        turns.forEach(
                turn -> turn.batches().notices().forEach(notice -> all.add("task " + turn.name() + ": " + notice)));
        return List.copyOf(all);
    }

    @Override
    public Optional<TooLong> tooLong() {
        return turns.stream().flatMap(turn -> turn.batches().tooLong().stream()).reduce(TooLong::plus);
    }

    /** The tasks one after another, an epoch of each. */
    BatchSource oneAfterAnother() {
        return new BatchSource() {
            @Override
            public long batchesPerEpoch() {
                return TaskMixture.this.batchesPerEpoch();
            }

            @Override
            public Batch batch(long globalBatchIndex) {
                long epoch = globalBatchIndex / batchesPerEpoch();
                long number = globalBatchIndex % batchesPerEpoch();
                int task = 0;
                while (number >= turns.get(task).batches().batchesPerEpoch()) {
                    number -= turns.get(task).batches().batchesPerEpoch();
                    task++;
                }
                BatchSource batches = turns.get(task).batches();
                return batches.batch(epoch * batches.batchesPerEpoch() + number);
            }

            @Override
            public List<TokenStream> texts() {
                return TaskMixture.this.texts();
            }
        };
    }
}
