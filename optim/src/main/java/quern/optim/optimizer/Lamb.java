package quern.optim.optimizer;

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
import quern.optim.internal.FusedOptimizer;
import quern.optim.internal.SquareSum;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.Tensor;
import quern.tensor.kernel.LambUpdate;

/**
 * LAMB: You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes" (arXiv 1904.00962,
 * algorithm 2). With gradient g, weight p, rate η, weight decay λ, β₁ {@code adam_beta1}, β₂ {@code adam_beta2}, ε {@code
 * adam_epsilon} and t the steps this parameter took:
 *
 * <pre>
 * m ← β₁m + (1-β₁)g
 * v ← β₂v + (1-β₂)g²
 * u ← m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + ε) + λp
 * p ← p - η · |p|/|u| · u
 * </pre>
 *
 * <p>The norms are Euclidean, over one parameter; the trust ratio |p|/|u| is 1 where either is 0, and at most {@code
 * max_trust_ratio}. The paper's φ is the identity. Without {@code bias_correction} the divisions by 1-βᵗ are left out.
 *
 * <p>The fused step goes over memory twice, since the ratio is known only after the whole parameter was seen: the first
 * pass updates the moments and sums the squares, the second computes u again; nothing of u is kept between. State: {@code
 * exp_avg} (m) and {@code exp_avg_sq} (v).
 */
public final class Lamb implements OptimizerTechnique {
    private static final int EXP_AVG = 0;
    private static final int EXP_AVG_SQ = 1;

    /**
     * Settings under {@code optim_args}.
     *
     * @param biasCorrection whether the moments are corrected for their start at zero
     * @param maxTrustRatio the largest trust ratio; empty for no limit
     * @param fused true: one pass over gradient, state, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc("Correct the moments for their start at zero.") @Default("true")
            boolean biasCorrection,

            @Doc("Largest trust ratio; without it there is no limit.") @Range(min = 0, minExclusive = true)
            Optional<Double> maxTrustRatio,

            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "lamb";
    }

    @Override
    public String summary() {
        return "LAMB: Adam steps rescaled to the norm of each parameter, for large batches";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Set<String> settings() {
        return OptimizerSettings.KEYS;
    }

    @Override
    public Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config) {
        return new Rescaled(groups, settings, (Config) config);
    }

    private static final class Rescaled extends FusedOptimizer {
        private final OptimizerSettings settings;
        private final Config config;

        Rescaled(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(StateBuffer.like("exp_avg"), StateBuffer.like("exp_avg_sq")),
                    config.fused());
            this.settings = settings;
            this.config = config;
        }

        @Override
        public Granularity granularity() {
            return Granularity.TENSOR;
        }

        private double trustRatio(double weightSquares, double directionSquares) {
            if (weightSquares == 0 || directionSquares == 0) {
                return 1;
            }
            double ratio = Math.sqrt(weightSquares) / Math.sqrt(directionSquares);
            return Math.min(ratio, config.maxTrustRatio().orElse(Double.POSITIVE_INFINITY));
        }

        private LambUpdate numbers(ParameterState state) {
            return new LambUpdate(
                    settings.beta1(),
                    settings.beta2(),
                    settings.epsilon(),
                    state.weightDecay(),
                    config.biasCorrection(),
                    state.step());
        }

        @Override
        protected void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
            Pass pass = new Pass(states, gradientScale);
            LambUpdate[] numbers = states.stream().map(this::numbers).toArray(LambUpdate[]::new);
            LambUpdate.Moments[] moments = new LambUpdate.Moments[pass.slices()];
            pass.run((slice, owner) -> moments[slice] = new LambUpdate.Moments(numbers[owner]));
            double[] weightSquares = new double[numbers.length];
            double[] directionSquares = new double[numbers.length];
            for (int slice = 0; slice < moments.length; slice++) {
                weightSquares[pass.owner(slice)] += moments[slice].weightSquares();
                directionSquares[pass.owner(slice)] += moments[slice].directionSquares();
            }
            pass.run(
                    learningRate,
                    (owner, rate) -> new LambUpdate.Weights(
                            numbers[owner], rate * trustRatio(weightSquares[owner], directionSquares[owner])));
        }

        @Override
        protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
            Tensor weight = state.weight();
            Tensor gradient = state.fp32Gradient(gradientScale);
            Tensor expAvg = state.buffer(EXP_AVG);
            Tensor expAvgSq = state.buffer(EXP_AVG_SQ);
            expAvg.mul_(settings.beta1()).add_(gradient, 1 - settings.beta1());
            expAvgSq.mul_(settings.beta2()).add_(gradient.square(), 1 - settings.beta2());
            boolean corrected = config.biasCorrection();
            double correction1 = corrected ? 1 - Math.pow(settings.beta1(), state.step()) : 1;
            double correction2 = corrected ? 1 - Math.pow(settings.beta2(), state.step()) : 1;
            Tensor denominator = expAvgSq.sqrt().div_(Math.sqrt(correction2)).add_(settings.epsilon());
            Tensor direction = expAvg.div(correction1).div_(denominator).add_(weight, state.weightDecay());
            double[] squares = SquareSum.of(List.of(weight, direction));
            weight.add_(direction, -rate * trustRatio(squares[0], squares[1]));
            state.writeBack();
        }
    }
}
