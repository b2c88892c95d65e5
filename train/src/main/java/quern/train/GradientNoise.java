package quern.train;

import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import quern.data.Batch;
import quern.recipe.GradientNoiseScale;

/**
 * The simple gradient noise scale {@code B = tr(Σ) / |G|²} of McCandlish et al. 2018 (arXiv:1812.06162, appendix A.1): the
 * batch size, in counted tokens, near which a larger batch begins to pay less. G is the true gradient, Σ the covariance of
 * one token's, so that {@code E|g_B|² = |G|² + tr(Σ)/B} for the mean gradient of B tokens. The micro-batches of a step are
 * the small batches, the whole step is the large one:
 *
 * <pre>
 * |G|²  ≈ (B_large·|g_large|² - B_small·|g_small|²) / (B_large - B_small)
 * tr(Σ) ≈ (|g_small|² - |g_large|²) / (1/B_small - 1/B_large)
 * </pre>
 *
 * <p>Both are without bias and noisy, so each has its exponential average, corrected for its start at 0, and the scale is
 * the ratio of the averages. {@code |g_small|²} is the mean over the micro-batches and {@code B_small} the harmonic mean
 * of their sizes, which keeps both free of bias where micro-batches differ in size.
 */
final class GradientNoise implements Resumable {
    private final GradientNoiseScale config;
    private double squaredGradient;
    private double covarianceTrace;
    private double weight;
    private double smallSquares;
    private double smallInverses;
    private int smalls;

    GradientNoise(GradientNoiseScale config) {
        this.config = config;
    }

    /** Whether a step, counted from 0, is measured. */
    boolean due(long step) {
        return step % config.every() == 0;
    }

    /** A step's batches, a single one in halves where the step is measured: the scale needs a small and a large batch. */
    List<Batch> divided(long step, List<Batch> batches) {
        return due(step) && batches.size() == 1 && batches.getFirst().rows() > 1
                ? MicroBatches.ofRows(batches, (batches.getFirst().rows() + 1) / 2)
                : batches;
    }

    /** Forgets the micro-batches of a step that was begun. */
    void begin() {
        smallSquares = 0;
        smallInverses = 0;
        smalls = 0;
    }

    /**
     * Adds a micro-batch of the present step.
     *
     * @param squaredNorm of its own mean gradient
     * @param size its counted tokens
     */
    void addSmall(double squaredNorm, double size) {
        smallSquares += squaredNorm;
        smallInverses += 1 / size;
        smalls++;
    }

    /**
     * Ends the present step; one of fewer than two micro-batches tells nothing.
     *
     * @param squaredNorm of the whole step's mean gradient
     * @param size its counted tokens
     */
    void end(double squaredNorm, double size) {
        if (smalls < 2) {
            return;
        }
        double small = smalls / smallInverses;
        double smallSquare = smallSquares / smalls;
        double gradient = (size * squaredNorm - small * smallSquare) / (size - small);
        double trace = (smallSquare - squaredNorm) / (1 / small - 1 / size);
        double share = 1 - config.decay();
        squaredGradient += share * (gradient - squaredGradient);
        covarianceTrace += share * (trace - covarianceTrace);
        weight += share * (1 - weight);
    }

    /** The estimate of |G|²; NaN before the first measurement. */
    double squaredGradient() {
        return squaredGradient / weight;
    }

    /** The estimate of tr(Σ); NaN before the first measurement. */
    double covarianceTrace() {
        return covarianceTrace / weight;
    }

    /** The noise scale in counted tokens; empty while the noise hides the gradient, whose estimate is not positive then. */
    OptionalDouble scale() {
        return squaredGradient > 0 && covarianceTrace > 0
                ? OptionalDouble.of(covarianceTrace / squaredGradient)
                : OptionalDouble.empty();
    }

    @Override
    public String name() {
        return "gradient_noise_scale";
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new TreeMap<>();
        state.put("squared_gradient", squaredGradient);
        state.put("covariance_trace", covarianceTrace);
        state.put("weight", weight);
        return state;
    }

    @Override
    public void load(Map<String, Double> state) {
        squaredGradient = state.getOrDefault("squared_gradient", 0.0);
        covarianceTrace = state.getOrDefault("covariance_trace", 0.0);
        weight = state.getOrDefault("weight", 0.0);
    }
}
