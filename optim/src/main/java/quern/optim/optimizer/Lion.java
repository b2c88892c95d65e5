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
import quern.recipe.Doc;
import quern.tensor.Tensor;
import quern.tensor.kernel.LionUpdate;
import quern.tensor.kernel.Update;

/**
 * Lion: Chen et al., "Symbolic Discovery of Optimization Algorithms" (arXiv 2302.06675, algorithm 2). With gradient g,
 * weight p, rate η, weight decay λ, β₁ {@code adam_beta1} and β₂ {@code adam_beta2}:
 *
 * <pre>
 * p ← (1 - ηλ)p
 * p ← p - η · sign(β₁m + (1-β₁)g)
 * m ← β₂m + (1-β₂)g
 * </pre>
 *
 * <p>Every element moves by the rate, so rates are three to ten times smaller than AdamW's and decays as much larger. The
 * paper's β are 0.9 and 0.99. Deviation: the paper decays the weight it steps from, here it is decayed first, which is
 * the same sum. State: {@code exp_avg} (m).
 */
public final class Lion implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param fused true: one pass over gradient, state, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "lion";
    }

    @Override
    public String summary() {
        return "Lion: the sign of an interpolated momentum, decoupled weight decay";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Set<String> settings() {
        return Set.of("weight_decay", "adam_beta1", "adam_beta2");
    }

    @Override
    public Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config) {
        return new SignedMomentum(groups, settings, (Config) config);
    }

    private static final class SignedMomentum extends ElementwiseOptimizer {
        private final OptimizerSettings settings;

        SignedMomentum(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(groups, settings.weightDecay(), List.of(StateBuffer.like("exp_avg")), config.fused());
            this.settings = settings;
        }

        @Override
        protected Update kernelUpdate(ParameterState state, double rate) {
            return new LionUpdate(rate, settings.beta1(), settings.beta2(), state.weightDecay());
        }

        @Override
        protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
            Tensor weight = state.weight();
            Tensor momentum = state.buffer(0);
            Tensor gradient = state.fp32Gradient(gradientScale);
            Tensor direction = momentum.mul(settings.beta1()).add_(gradient, 1 - settings.beta1());
            weight.mul_(1 - rate * state.weightDecay()).add_(direction.sign(), -rate);
            momentum.mul_(settings.beta2()).add_(gradient, 1 - settings.beta2());
            state.writeBack();
        }
    }
}
