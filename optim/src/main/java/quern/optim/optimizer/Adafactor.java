package quern.optim.optimizer;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.SquareSum;
import quern.optim.internal.TensorWise;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Tensor;

/**
 * Adafactor, as in transformers: Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost"
 * (arXiv 1804.04235, algorithms 4 to 6). With gradient g, weight p, weight decay λ, t the steps this parameter took, γ
 * {@code decay_rate}, d {@code clip_threshold}, ε₁ and ε₂ the numbers of {@code eps}, and RMS(x) = √mean(x²):
 *
 * <pre>
 * β̂ = 1 - t^γ
 * r ← β̂r + (1-β̂)·mean over columns of (g² + ε₁)
 * c ← β̂c + (1-β̂)·mean over rows of (g² + ε₁)
 * u = g / √(r·cᵀ / mean(r)),   u ← u / max(1, RMS(u)/d)
 * α = ρ · max(ε₂, RMS(p)) with scale_parameter, else ρ
 * m ← β₁m + (1-β₁)αu           with beta1, else m is αu
 * p ← (1 - αλ)p - m
 * </pre>
 *
 * <p>ρ is the scheduled rate; with {@code relative_step} it is min(10⁻², 1/√t) instead, with {@code warmup_init} too
 * min(10⁻⁶·t, 1/√t), and a recipe gives no rate. A parameter of fewer than two dimensions keeps all of its second moment.
 * Of more than two, the last two are factored and each matrix has its own r and c.
 *
 * <p>Deviations from the paper, which are transformers': the decay, a rate per tensor where the paper has one for the
 * model, and a first moment of whole updates.
 *
 * <p>State: {@code exp_avg_sq_row} (r) and {@code exp_avg_sq_col} (c), or {@code exp_avg_sq}; {@code exp_avg} (m) with
 * {@code beta1}. For a matrix of m rows and n columns that is m + n numbers. A step reads and writes a tensor about ten
 * times over, in libtorch's operators.
 */
public final class Adafactor implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param scaleParameter whether steps are in proportion to the weights' root mean square
     * @param relativeStep whether the rate follows from the count of steps alone
     * @param warmupInit whether the relative rate starts at 10⁻⁶ and rises
     * @param clipThreshold the root mean square that an update is scaled down to
     * @param decayRate the exponent γ of the second moment's decay
     * @param beta1 the share of the first moment that is kept a step; absent: there is none
     * @param eps two numbers: what is added to squared gradients, and the smallest scale of a parameter
     */
    public record Config(
            @Doc("Steps are in proportion to the root mean square of the weights.") @Default("true")
            boolean scaleParameter,

            @Doc("The rate follows from the count of steps; the recipe then has no learning_rate and no schedule.")
            @Default("true")
            boolean relativeStep,

            @Doc("The relative rate starts at 1e-6 and rises; needs relative_step.") @Default("false")
            boolean warmupInit,

            @Doc("Updates with a larger root mean square are scaled down to this one.")
            @Default("1.0")
            @Range(min = 0, minExclusive = true)
            double clipThreshold,

            @Doc("The second moment keeps 1 - t^decay_rate of itself at step t; below 0.")
            @Default("-0.8")
            @Range(max = 0, maxExclusive = true)
            double decayRate,

            @Doc("Share of the first moment that is kept a step; without it there is no first moment.")
            @Range(min = 0, max = 1, maxExclusive = true)
            Optional<Double> beta1,

            @Doc("Two numbers: what is added to squared gradients, and the smallest scale of a parameter.")
            @Default("[1e-30, 1e-3]")
            @Range(min = 0)
            List<Double> eps) {
        // The smallest fp32 with all its digits: a smaller number would vanish among the second moments.
        private static final double SMALLEST = Float.MIN_NORMAL;

        /** Refuses settings that contradict each other. */
        public Config {
            eps = List.copyOf(eps);
            if (warmupInit && !relativeStep) {
                throw new IllegalArgumentException(
                        "warmup_init: has no effect without relative_step; use warmup_steps instead");
            }
            if (eps.size() != 2 || eps.getFirst() < SMALLEST) {
                throw new IllegalArgumentException(
                        "eps: expected two numbers, the first at least %s, found %s".formatted(SMALLEST, eps));
            }
        }
    }

    @Override
    public String id() {
        return "adafactor";
    }

    @Override
    public String summary() {
        return "Adafactor: a second moment kept by rows and columns, in little memory";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Set<String> settings() {
        return Set.of("weight_decay");
    }

    @Override
    public Optional<OwnRate> ownRate(Record config) {
        Config settings = (Config) config;
        return settings.relativeStep()
                ? Optional.of(new OwnRate("relative_step", step -> relativeStep(step + 1L, settings.warmupInit())))
                : Optional.empty();
    }

    private static double relativeStep(long t, boolean warmup) {
        return Math.min(warmup ? 1e-6 * t : 1e-2, 1 / Math.sqrt(t));
    }

    @Override
    public Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config) {
        return new Factored(groups, settings, (Config) config);
    }

    private static final class Factored extends Optimizer {
        private static final int ROW = 0;
        private static final int COLUMN = 1;
        private static final int WHOLE = 2;
        private static final int FIRST = 3;

        private final Config config;

        Factored(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(
                            StateBuffer.of("exp_avg_sq_row", DType.FP32, state -> without(state, 1)),
                            StateBuffer.of("exp_avg_sq_col", DType.FP32, state -> without(state, 2)),
                            StateBuffer.like("exp_avg_sq", state -> !isFactored(state)),
                            StateBuffer.like("exp_avg", state -> config.beta1().isPresent())));
            this.config = config;
        }

        private static boolean isFactored(ParameterState state) {
            return state.parameter().value().dim() >= 2;
        }

        /** The parameter's shape less a dimension, counted from the end; empty where it is not factored. */
        private static Optional<long[]> without(ParameterState state, int fromEnd) {
            if (!isFactored(state)) {
                return Optional.empty();
            }
            long[] shape = state.parameter().value().shape();
            long[] kept = Arrays.copyOf(shape, shape.length - 1);
            if (fromEnd == 2) {
                kept[kept.length - 1] = shape[shape.length - 1];
            }
            return Optional.of(kept);
        }

        @Override
        public Granularity granularity() {
            return Granularity.TENSOR;
        }

        @Override
        protected void update(List<ParameterState> states, double learningRate, double gradientScale) {
            TensorWise.step(states, state -> step(state, learningRate, gradientScale));
        }

        private void step(ParameterState state, double learningRate, double gradientScale) {
            Tensor weight = state.weight();
            Tensor gradient = state.fp32Gradient(gradientScale);
            double rate = config.relativeStep() ? relativeStep(state.step(), config.warmupInit()) : learningRate;
            rate *= state.learningRateFactor();
            if (config.scaleParameter()) {
                rate *= Math.max(config.eps().get(1), rootMeanSquare(weight));
            }
            Tensor update = normalised(state, gradient);
            double length = rootMeanSquare(update) / config.clipThreshold();
            update.mul_(rate / Math.max(1, length));
            if (config.beta1().isPresent()) {
                double beta1 = config.beta1().get();
                update = state.buffer(FIRST).mul_(beta1).add_(update, 1 - beta1);
            }
            if (state.weightDecay() != 0) {
                weight.mul_(1 - rate * state.weightDecay());
            }
            weight.sub_(update);
            state.writeBack();
        }

        /** The gradient over the root of its second moment. */
        private Tensor normalised(ParameterState state, Tensor gradient) {
            double kept = 1 - Math.pow(state.step(), config.decayRate());
            Tensor squares = gradient.square().add_(config.eps().getFirst());
            if (state.has(WHOLE)) {
                Tensor second = state.buffer(WHOLE).mul_(kept).add_(squares, 1 - kept);
                return second.rsqrt().mul_(gradient);
            }
            Tensor row = state.buffer(ROW).mul_(kept).add_(squares.mean(false, -1), 1 - kept);
            Tensor column = state.buffer(COLUMN).mul_(kept).add_(squares.mean(false, -2), 1 - kept);
            Tensor rowFactor = row.div(row.mean(true, -1)).rsqrt().unsqueeze(-1);
            return gradient.mul(rowFactor).mul_(column.unsqueeze(-2).rsqrt());
        }

        private static double rootMeanSquare(Tensor x) {
            return Math.sqrt(SquareSum.of(List.of(x))[0] / x.numel());
        }
    }
}
