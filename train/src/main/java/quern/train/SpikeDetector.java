package quern.train;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import quern.recipe.QuernException;
import quern.recipe.SpikeGuard;

/** Tells a loss that lies far above the last ones, by the rules of {@link SpikeGuard}. */
final class SpikeDetector implements Resumable {
    private static final String CONSECUTIVE = "consecutive";
    private static final String LOSS = "loss/";

    /** The least deviation, as a share of the mean: losses that happen to be equal do not make any other one a spike. */
    private static final double LEAST_DEVIATION = 1e-3;

    /** A loss that lies too high, and what it was compared with. */
    record Spike(double loss, double mean, double deviation, double limit) {}

    private final SpikeGuard config;
    private final Deque<Double> window = new ArrayDeque<>();
    private int consecutive;

    SpikeDetector(SpikeGuard config) {
        this.config = config;
    }

    /** Standard deviations above the mean from which a loss is a spike. */
    double threshold() {
        return config.threshold();
    }

    /** What the loss is if it is a spike; empty until the window is full. */
    Optional<Spike> judge(double loss) {
        if (window.size() < config.window()) {
            return Optional.empty();
        }
        double mean = window.stream().mapToDouble(Double::doubleValue).sum() / window.size();
        double squares =
                window.stream().mapToDouble(l -> (l - mean) * (l - mean)).sum();
        double deviation = Math.max(Math.sqrt(squares / (window.size() - 1)), LEAST_DEVIATION * Math.abs(mean));
        double limit = mean + config.threshold() * deviation;
        return loss > limit ? Optional.of(new Spike(loss, mean, deviation, limit)) : Optional.empty();
    }

    /** A step with this loss was taken. */
    void taken(double loss) {
        consecutive = 0;
        window.addLast(loss);
        if (window.size() > config.window()) {
            window.removeFirst();
        }
    }

    /**
     * A spike was left out.
     *
     * @param step the step, counted from 1
     * @throws QuernException refused after too many in a row
     */
    void leftOut(long step, Spike spike) {
        consecutive++;
        if (consecutive >= config.maxConsecutive()) {
            throw QuernException.refused(
                    "step %d: the loss is %.4f, above the limit of %.4f, the %dth spike in a row (spike_guard.max_consecutive); the last checkpoint stands and %s shows the batches; lower learning_rate or raise spike_guard.threshold",
                    step, spike.loss(), spike.limit(), consecutive, KeptBatches.FILE);
        }
    }

    /** Takes back the losses of another {@link #state()}, of when the weights were as they are now. */
    void rewind(Map<String, Double> state) {
        window.clear();
        for (int i = 0; state.containsKey(LOSS + i); i++) {
            window.add(state.get(LOSS + i));
        }
    }

    @Override
    public String name() {
        return "spike_guard";
    }

    /** {@code consecutive}, and {@code loss/K} for the losses of the window, the oldest first. */
    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new TreeMap<>();
        state.put(CONSECUTIVE, (double) consecutive);
        int k = 0;
        for (double loss : window) {
            state.put(LOSS + k++, loss);
        }
        return state;
    }

    @Override
    public void load(Map<String, Double> state) {
        consecutive = state.getOrDefault(CONSECUTIVE, 0.0).intValue();
        rewind(state);
    }
}
