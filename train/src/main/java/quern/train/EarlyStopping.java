package quern.train;

import java.util.Map;

/**
 * Ends training when the watched metric has not become better for a number of evaluations (Prechelt 1998). Lower is
 * better for losses and perplexities, higher for everything else.
 */
final class EarlyStopping implements TrainingHook {
    private final String metric;
    private final int patience;
    private final double threshold;
    private double best = Double.NaN;
    private int without;

    EarlyStopping(String metric, int patience, double threshold) {
        this.metric = metric;
        this.patience = patience;
        this.threshold = threshold;
    }

    /** Whether smaller values of a metric are better. */
    static boolean lowerIsBetter(String metric) {
        return metric.startsWith("eval_loss") || metric.endsWith("perplexity") || metric.endsWith("bits_per_byte");
    }

    @Override
    public void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
        Double value = metrics.get(metric);
        if (value == null) {
            return;
        }
        double gain = lowerIsBetter(metric) ? best - value : value - best;
        if (Double.isNaN(best) || gain > threshold) {
            best = value;
            without = 0;
        } else {
            without++;
        }
    }

    @Override
    public boolean wantsStop() {
        return without >= patience;
    }

    @Override
    public Map<String, Double> state() {
        return Double.isNaN(best)
                ? Map.of("without", (double) without)
                : Map.of("best", best, "without", (double) without);
    }

    @Override
    public void load(Map<String, Double> state) {
        best = state.getOrDefault("best", Double.NaN);
        without = state.getOrDefault("without", 0.0).intValue();
    }
}
