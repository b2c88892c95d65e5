package quern.optim.optimizer;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.ElementwiseOptimizer;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdanUpdate;
import quern.tensor.kernel.Update;

/**
 * Adan: Xie et al., "Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models" (arXiv 2208.06677,
 * algorithm 1). With gradient g, the gradient g' of the step before, weight p, rate η, weight decay λ, ε {@code
 * adam_epsilon} and t the steps since the last restart:
 *
 * <pre>
 * d ← g - g', 0 at t = 1
 * m ← β₁m + (1-β₁)g
 * v ← β₂v + (1-β₂)d
 * n ← β₃n + (1-β₃)(g + β₂d)²
 * p ← (p - η · (m/(1-β₁ᵗ) + β₂v/(1-β₂ᵗ)) / (√(n/(1-β₃ᵗ)) + ε)) / (1 + ηλ)
 * </pre>
 *
 * <p>{@code beta1}, {@code beta2} and {@code beta3} are the shares that are kept; the paper writes one minus these. The
 * corrections of the bias and ε outside the root are those of the authors' code. {@code restart} is the paper's restart
 * condition: after so many steps m, v and n are zero and t is 1 again, so the step after has no difference either. State:
 * {@code exp_avg} (m), {@code exp_avg_diff} (v), {@code exp_avg_sq} (n) and {@code previous_gradient} (g').
 */
public final class Adan implements OptimizerTechnique {
    private static final int EXP_AVG = 0;
    private static final int EXP_AVG_DIFF = 1;
    private static final int EXP_AVG_SQ = 2;
    private static final int PREVIOUS = 3;

    /**
     * Settings under {@code optim_args}.
     *
     * @param beta1 the share of the mean gradient that is kept a step
     * @param beta2 the share of the mean difference of gradients that is kept a step
     * @param beta3 the share of the mean square that is kept a step
     * @param restart the steps after which the three means start anew; 0 for never
     * @param fused true: one pass over gradient, state, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc("Share of the mean gradient that is kept a step.")
            @Default("0.98")
            @Range(min = 0, max = 1, maxExclusive = true)
            double beta1,

            @Doc("Share of the mean difference of gradients that is kept a step.")
            @Default("0.92")
            @Range(min = 0, max = 1, maxExclusive = true)
            double beta2,

            @Doc("Share of the mean square that is kept a step.")
            @Default("0.99")
            @Range(min = 0, max = 1, maxExclusive = true)
            double beta3,

            @Doc("Steps after which the three means start anew; 0 for never.") @Default("0") @Range(min = 0)
            int restart,

            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "adan";
    }

    @Override
    public String summary() {
        return "Adan: Nesterov momentum from differences of gradients, scaled by their running square";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Set<String> settings() {
        return Set.of("weight_decay", "adam_epsilon");
    }

    @Override
    public Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config) {
        return new ThreeMoments(groups, settings, (Config) config);
    }

    private static final class ThreeMoments extends ElementwiseOptimizer {
        private final double epsilon;
        private final Config config;

        ThreeMoments(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(
                            StateBuffer.like("exp_avg"),
                            StateBuffer.like("exp_avg_diff"),
                            StateBuffer.like("exp_avg_sq"),
                            StateBuffer.like("previous_gradient")),
                    config.fused());
            epsilon = settings.epsilon();
            this.config = config;
        }

        /** The step within the stretch between two restarts, from 1. */
        private long stepSinceRestart(ParameterState state) {
            return config.restart() == 0 ? state.step() : (state.step() - 1) % config.restart() + 1;
        }

        @Override
        protected Update kernelUpdate(ParameterState state, double rate) {
            return new AdanUpdate(
                    rate,
                    config.beta1(),
                    config.beta2(),
                    config.beta3(),
                    epsilon,
                    state.weightDecay(),
                    stepSinceRestart(state));
        }

        @Override
        protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
            long step = stepSinceRestart(state);
            Tensor gradient = state.fp32Gradient(gradientScale);
            Tensor previous = state.buffer(PREVIOUS);
            Tensor expAvg = state.buffer(EXP_AVG);
            Tensor expAvgDiff = state.buffer(EXP_AVG_DIFF);
            Tensor expAvgSq = state.buffer(EXP_AVG_SQ);
            if (step == 1) {
                expAvg.zero_();
                expAvgDiff.zero_();
                expAvgSq.zero_();
                previous.copy_(gradient);
            }
            Tensor difference = gradient.sub(previous);
            previous.copy_(gradient);
            expAvg.mul_(config.beta1()).add_(gradient, 1 - config.beta1());
            expAvgDiff.mul_(config.beta2()).add_(difference, 1 - config.beta2());
            Tensor ahead = difference.mul_(config.beta2()).add_(gradient);
            expAvgSq.mul_(config.beta3()).add_(ahead.square(), 1 - config.beta3());
            double correction1 = 1 - Math.pow(config.beta1(), step);
            double correction2 = 1 - Math.pow(config.beta2(), step);
            double correction3 = 1 - Math.pow(config.beta3(), step);
            Tensor denominator = expAvgSq.sqrt().div_(Math.sqrt(correction3)).add_(epsilon);
            Tensor direction = expAvg.div(correction1).add_(expAvgDiff, config.beta2() / correction2);
            state.weight().add_(direction.div_(denominator), -rate).div_(1 + rate * state.weightDecay());
            state.writeBack();
        }
    }
}
