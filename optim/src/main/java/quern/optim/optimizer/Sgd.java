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
import quern.tensor.kernel.SgdUpdate;
import quern.tensor.kernel.Update;

/**
 * Stochastic gradient descent with momentum, as {@code torch.optim.SGD}. With gradient g, weight p, rate η, weight decay
 * λ, {@code momentum} μ and {@code dampening} τ:
 *
 * <pre>
 * g ← g + λp
 * b ← g at a parameter's first step, then μb + (1-τ)g
 * p ← p - ηb, or p - η(g + μb) with nesterov
 * </pre>
 *
 * <p>Without momentum b is g. The momentum is the heavy ball of Polyak, "Some methods of speeding up the convergence of
 * iteration methods" (1964); the Nesterov form is that of Sutskever et al., "On the importance of initialization and
 * momentum in deep learning" (ICML 2013), with the rate outside the velocity as in torch. State: {@code momentum_buffer}
 * where momentum is not 0.
 */
public final class Sgd implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param momentum the share of the velocity that is kept a step
     * @param nesterov whether the step looks ahead along the velocity
     * @param dampening the share of each gradient after the first that is kept out of the velocity
     * @param fused true: one pass over gradient, state, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc("Share of the velocity that is kept a step; 0 is plain gradient descent.")
            @Default("0.0")
            @Range(min = 0)
            double momentum,

            @Doc("Step along the gradient plus the next velocity; needs momentum and no dampening.") @Default("false")
            boolean nesterov,

            @Doc("Share of each gradient after the first that is kept out of the velocity; needs momentum.")
            @Default("0.0")
            @Range(min = 0, max = 1)
            double dampening,

            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {
        /** Refuses settings that contradict each other or do nothing. */
        public Config {
            if (nesterov && (momentum == 0 || dampening != 0)) {
                throw new IllegalArgumentException(
                        "nesterov: needs momentum above 0 and dampening 0, found momentum %s and dampening %s"
                                .formatted(momentum, dampening));
            }
            if (dampening != 0 && momentum == 0) {
                throw new IllegalArgumentException(
                        "dampening: has no effect without momentum; set momentum or leave dampening out");
            }
        }
    }

    @Override
    public String id() {
        return "sgd";
    }

    @Override
    public String summary() {
        return "stochastic gradient descent, with momentum or Nesterov momentum";
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
    public Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config) {
        return new Descent(groups, settings, (Config) config);
    }

    private static final class Descent extends ElementwiseOptimizer {
        private final Config config;

        Descent(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    config.momentum() == 0 ? List.of() : List.of(StateBuffer.like("momentum_buffer")),
                    config.fused());
            this.config = config;
        }

        @Override
        protected Update kernelUpdate(ParameterState state, double rate) {
            return new SgdUpdate(
                    rate,
                    state.weightDecay(),
                    config.momentum(),
                    config.dampening(),
                    config.nesterov(),
                    state.step() == 1);
        }

        @Override
        protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
            Tensor weight = state.weight();
            Tensor direction = state.fp32Gradient(gradientScale);
            if (state.weightDecay() != 0) {
                direction = weight.mul(state.weightDecay()).add_(direction);
            }
            if (config.momentum() != 0) {
                Tensor velocity = state.buffer(0);
                if (state.step() == 1) {
                    velocity.copy_(direction);
                } else {
                    velocity.mul_(config.momentum()).add_(direction, 1 - config.dampening());
                }
                direction = config.nesterov() ? velocity.mul(config.momentum()).add_(direction) : velocity;
            }
            weight.add_(direction, -rate);
            state.writeBack();
        }
    }
}
