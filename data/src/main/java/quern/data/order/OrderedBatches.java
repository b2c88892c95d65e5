package quern.data.order;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.TooLong;
import quern.data.internal.JoinedRows;

/**
 * Batches whose rows come from one corpus or several, in an order of their own. Of several, each row is of the corpus that is
 * furthest behind the sum of its {@link Shares} so far, so the rows of each are what the shares ask for, give or take less than
 * one row for each other corpus, in any stretch from the start; where shares weigh losses, all corpora have as many rows. A step has the same rows however they are divided into batches.
 *
 * <p>Without anything that learns, a batch is a function of its number alone. Shares and orders that learn from a step count
 * from the step after the next, so that the next one's batches can be made while a step is computed; {@link #state} before a
 * step and {@link #load} make a resumed training meet the same rows. Until a step's shares are known, batches of it are those
 * that the shares known last would give. Any number of threads may ask.
 */
public final class OrderedBatches implements BatchSource {
    private static final int BATCHES_BETWEEN_PLACES = 256;
    private static final long STEPS_KEPT = 4;

    /**
     * A corpus.
     *
     * @param name what logs call it
     * @param rows its rows: batches of one row each
     * @param order the order of its rows; null for that of {@code rows}
     */
    public record Corpus(String name, BatchSource rows, RowOrder order) {}

    /**
     * The loss of a row.
     *
     * @param loss sum over its counted tokens
     * @param excess sum over them of what lies above a reference model's loss; NaN where there is none
     * @param tokens counted tokens
     */
    public record RowLoss(double loss, double excess, long tokens) {}

    /** The place of a row. */
    private record Row(int corpus, long n) {}

    /** What was met before a batch. */
    private static final class Place {
        final long[] met;
        final double[] behind;

        Place(int corpora) {
            this(new long[corpora], new double[corpora]);
        }

        private Place(long[] met, double[] behind) {
            this.met = met;
            this.behind = behind;
        }

        Place copy() {
            return new Place(met.clone(), behind.clone());
        }

        Row next(double[] shares) {
            int most = 0;
            for (int i = 0; i < met.length; i++) {
                behind[i] += shares[i];
                // A corpus of share 0 has no turn, even where the others are all ahead.
                if (shares[i] > 0 && (behind[i] > behind[most] || shares[most] == 0)) {
                    most = i;
                }
            }
            behind[most] -= 1;
            return new Row(most, met[most]++);
        }
    }

    private final List<Corpus> corpora;
    private final Shares shares;
    private final Steps steps;
    private final int rowsPerBatch;
    private final int padding;
    private final boolean learns;
    /** Places before some batches, all of which are final. */
    private final TreeMap<Long, Place> places = new TreeMap<>();
    /** Shares that learn, by the first step that each hold for. */
    private final TreeMap<Long, double[]> learned = new TreeMap<>();
    /** The last step whose rows are settled. */
    private long settled;

    private long observed = -1;

    /**
     * @param shares of the corpora
     * @param padding the token in padding
     */
    public OrderedBatches(List<Corpus> corpora, Shares shares, Steps steps, int rowsPerBatch, int padding) {
        if (rowsPerBatch < 1) {
            throw new IllegalArgumentException("rowsPerBatch " + rowsPerBatch + " is below 1");
        }
        this.corpora = List.copyOf(corpora);
        this.shares = shares;
        this.steps = steps;
        this.rowsPerBatch = rowsPerBatch;
        this.padding = padding;
        this.learns = shares.learns()
                || corpora.stream().anyMatch(c -> c.order() != null && c.order().learns());
        this.settled = learns ? 1 : Long.MAX_VALUE;
        places.put(0L, new Place(corpora.size()));
        learned.put(0L, shares.at(0));
    }

    /** Whether {@link #observe} changes what comes. */
    public boolean learns() {
        return learns;
    }

    /** Batches that have as many rows as all corpora together. */
    @Override
    public long batchesPerEpoch() {
        long rows = corpora.stream().mapToLong(c -> c.rows().batchesPerEpoch()).sum();
        return (rows + rowsPerBatch - 1) / rowsPerBatch;
    }

    @Override
    public List<String> notices() {
        List<String> all = new ArrayList<>();
        for (Corpus corpus : corpora) {
            corpus.rows()
                    .notices()
                    .forEach(notice -> all.add(corpora.size() == 1 ? notice : corpus.name() + ": " + notice));
        }
        return List.copyOf(all);
    }

    @Override
    public Optional<TooLong> tooLong() {
        return corpora.stream()
                .flatMap(corpus -> corpus.rows().tooLong().stream())
                .reduce(TooLong::plus);
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        List<Batch> rows = new ArrayList<>(rowsPerBatch);
        List<long[]> places;
        double[] now;
        synchronized (this) {
            places = rows(globalBatchIndex);
            now = shares(steps.step(globalBatchIndex));
        }
        // The rows are found under the lock and read outside it.
        for (long[] row : places) {
            rows.add(corpora.get((int) row[0]).rows().batch(row[1]));
        }
        Batch joined = JoinedRows.of(rows, padding);
        if (!shares.weighsLosses()) {
            return joined;
        }
        float[] weights = new float[places.size()];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) (now[(int) places.get(i)[0]] * corpora.size());
        }
        return joined.withRowWeights(weights);
    }

    /** The corpus and the row in it of each row of a batch. */
    private synchronized List<long[]> rows(long batch) {
        Place place = place(batch);
        long step = steps.step(batch);
        double[] now = drawn(step);
        List<long[]> rows = new ArrayList<>(rowsPerBatch);
        for (int i = 0; i < rowsPerBatch; i++) {
            Row row = place.next(now);
            RowOrder order = corpora.get(row.corpus()).order();
            rows.add(new long[] {row.corpus(), order == null ? row.n() : order.row(row.n(), step)});
        }
        return rows;
    }

    private double[] shares(long step) {
        return shares.learns()
                ? learned.floorEntry(Math.max(step, learned.firstKey())).getValue()
                : shares.at(step);
    }

    /** The shares by which rows are drawn. */
    private double[] drawn(long step) {
        if (!shares.weighsLosses()) {
            return shares(step);
        }
        double[] alike = new double[corpora.size()];
        Arrays.fill(alike, 1.0 / alike.length);
        return alike;
    }

    /** A copy of the place before a batch. */
    private Place place(long batch) {
        Map.Entry<Long, Place> from = places.floorEntry(batch);
        if (from == null) {
            throw new IllegalStateException("batch %d lies before what is remembered".formatted(batch));
        }
        Place place = from.getValue().copy();
        for (long at = from.getKey(); at < batch; at++) {
            double[] now = drawn(steps.step(at));
            for (int i = 0; i < rowsPerBatch; i++) {
                place.next(now);
            }
            if ((at + 1) % BATCHES_BETWEEN_PLACES == 0 && steps.step(at) <= settled) {
                places.put(at + 1, place.copy());
            }
        }
        return place;
    }

    /**
     * Learns from a step that was taken; steps come in order, after {@link #load} from the one it was for.
     *
     * @param losses of the step's rows in their order; shorter where a step broke off
     */
    public void observe(long step, List<RowLoss> losses) {
        observed = step;
        if (!learns) {
            return;
        }
        List<long[]> rows = new ArrayList<>();
        for (long batch = steps.first(step); batch < steps.first(step + 1); batch++) {
            rows.addAll(rows(batch));
        }
        synchronized (this) {
            for (int i = 0; i < corpora.size(); i++) {
                RowOrder order = corpora.get(i).order();
                if (order != null && order.learns()) {
                    observe(step, i, order, rows, losses);
                }
            }
            if (shares.learns()) {
                shares.observe(step, seen(rows, losses, shares(step)));
                learned.put(step + 2, shares.at(step + 2));
            }
            settled = step + 2;
            forget(step);
        }
    }

    private void observe(long step, int corpus, RowOrder order, List<long[]> rows, List<RowLoss> losses) {
        long[] met = new long[rows.size()];
        double[] found = new double[rows.size()];
        int count = 0;
        for (int i = 0; i < rows.size(); i++) {
            if (rows.get(i)[0] == corpus) {
                met[count] = rows.get(i)[1];
                boolean known = i < losses.size() && losses.get(i).tokens() > 0;
                found[count++] = known ? losses.get(i).loss() / losses.get(i).tokens() : Double.NaN;
            }
        }
        order.observe(step, Arrays.copyOf(met, count), Arrays.copyOf(found, count));
    }

    private Shares.Seen seen(List<long[]> rows, List<RowLoss> losses, double[] now) {
        double[] loss = new double[corpora.size()];
        double[] excess = new double[corpora.size()];
        long[] tokens = new long[corpora.size()];
        for (int i = 0; i < Math.min(rows.size(), losses.size()); i++) {
            int corpus = (int) rows.get(i)[0];
            loss[corpus] += losses.get(i).loss();
            excess[corpus] += losses.get(i).excess();
            tokens[corpus] += losses.get(i).tokens();
        }
        for (int i = 0; i < tokens.length; i++) {
            // 0/0 is the NaN that says there was none.
            loss[i] /= tokens[i];
            excess[i] /= tokens[i];
        }
        return new Shares.Seen(loss, excess, now);
    }

    /** Drops what only steps long past would need. */
    private void forget(long step) {
        long old = step - STEPS_KEPT;
        if (old < 0 || !shares.learns()) {
            return;
        }
        long batch = steps.first(old);
        if (batch <= places.firstKey()) {
            return;
        }
        Place place = place(batch);
        places.headMap(batch).clear();
        places.put(batch, place);
        Long holds = learned.floorKey(old);
        if (holds != null) {
            learned.headMap(holds).clear();
        }
    }

    /** The realised shares of the rows before a step and the shares in it, by the corpora's names, for logs. */
    public synchronized Map<String, Double> report(long step) {
        Map<String, Double> report = new LinkedHashMap<>();
        long[] met = place(steps.first(step)).met;
        long all = Arrays.stream(met).sum();
        double[] now = shares(Math.max(0, step - 1));
        for (int i = 0; i < met.length; i++) {
            if (met.length > 1) {
                report.put("data_share/" + corpora.get(i).name(), all == 0 ? 0 : (double) met[i] / all);
                report.put("data_weight/" + corpora.get(i).name(), now[i]);
            }
            RowOrder order = corpora.get(i).order();
            if (order != null) {
                report.put(
                        met.length > 1 ? "curriculum_share/" + corpora.get(i).name() : "curriculum_share",
                        order.share(Math.max(0, step - 1)));
            }
        }
        return report;
    }

    /** Rows of each corpus, and how many of them a training of some steps meets, in order; of shares as known now. */
    public synchronized Map<String, long[]> expected(long untilStep) {
        long[] met = place(steps.first(untilStep)).met;
        Map<String, long[]> rows = new LinkedHashMap<>();
        for (int i = 0; i < met.length; i++) {
            rows.put(corpora.get(i).name(), new long[] {corpora.get(i).rows().batchesPerEpoch(), met[i]});
        }
        return rows;
    }

    /** The weights by name that the shares have come to, where they learn; otherwise none. */
    public synchronized Map<String, Double> result() {
        Map<String, Double> result = new LinkedHashMap<>();
        if (shares.learns()) {
            double[] all = shares.result();
            for (int i = 0; i < all.length; i++) {
                result.put(corpora.get(i).name(), all[i]);
            }
        }
        return result;
    }

    /** What a checkpoint must hold after the last step that was observed; nothing where nothing learns. */
    public synchronized Map<String, Double> state() {
        Map<String, Double> state = new TreeMap<>();
        if (!learns) {
            return state;
        }
        long next = observed + 1;
        state.put("step", (double) next);
        Place place = place(steps.first(next));
        for (int i = 0; i < corpora.size(); i++) {
            state.put("met." + i, (double) place.met[i]);
            state.put("behind." + i, place.behind[i]);
            if (shares.learns()) {
                state.put("now." + i, shares(next)[i]);
                state.put("then." + i, shares(next + 1)[i]);
            }
            RowOrder order = corpora.get(i).order();
            if (order != null) {
                String prefix = "corpus." + i + ".";
                order.state(next).forEach((key, value) -> state.put(prefix + key, value));
            }
        }
        shares.state().forEach((key, value) -> state.put("shares." + key, value));
        return state;
    }

    /** Takes back a {@link #state}; of an empty one nothing. */
    public synchronized void load(Map<String, Double> state) {
        if (state.isEmpty() || !learns) {
            return;
        }
        long next = state.get("step").longValue();
        Place place = new Place(corpora.size());
        double[] now = new double[corpora.size()];
        double[] then = new double[corpora.size()];
        for (int i = 0; i < corpora.size(); i++) {
            place.met[i] = state.get("met." + i).longValue();
            place.behind[i] = state.get("behind." + i);
            if (shares.learns()) {
                now[i] = state.get("now." + i);
                then[i] = state.get("then." + i);
            }
            if (corpora.get(i).order() != null) {
                corpora.get(i).order().load(next, under("corpus." + i + ".", state));
            }
        }
        shares.load(under("shares.", state));
        places.clear();
        places.put(steps.first(next), place);
        if (shares.learns()) {
            learned.clear();
            learned.put(next, now);
            learned.put(next + 1, then);
        }
        observed = next - 1;
        settled = next + 1;
    }

    private static Map<String, Double> under(String prefix, Map<String, Double> state) {
        Map<String, Double> part = new TreeMap<>();
        state.forEach((key, value) -> {
            if (key.startsWith(prefix)) {
                part.put(key.substring(prefix.length()), value);
            }
        });
        return part;
    }
}
