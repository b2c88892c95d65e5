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
import quern.tensor.Scope;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdagradUpdate;
import quern.tensor.kernel.Update;

/**
 * Adagrad with a diagonal matrix, as {@code torch.optim.Adagrad}: Duchi, Hazan and Singer, "Adaptive Subgradient Methods
 * for Online Learning and Stochastic Optimization" (JMLR 12, 2011). With gradient g, weight p, rate η, weight decay λ, ε
 * {@code adam_epsilon}, {@code lr_decay} δ and t the steps this parameter took:
 *
 * <pre>
 * g ← g + λp
 * s ← s + g²
 * p ← p - η/(1 + (t-1)δ) · g / (√s + ε)
 * </pre>
 *
 * <p>s starts at {@code initial_accumulator_value}. Deviation from the paper: its δ, which keeps the root from zero, is
 * added after the root is taken, as in torch, and is ε here. State: {@code sum} (s).
 */
public final class Adagrad implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param lrDecay how fast the rate falls with the steps, δ above
     * @param initialAccumulatorValue what the sum of squares starts at
     * @param fused true: one pass over gradient, state, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc("How fast the rate falls: step t takes rate / (1 + (t-1) lr_decay).") @Default("0.0") @Range(min = 0)
            double lrDecay,

            @Doc("What the sum of squared gradients starts at.") @Default("0.0") @Range(min = 0)
            double initialAccumulatorValue,

            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "adagrad";
    }

    @Override
    public String summary() {
        return "Adagrad: steps divided by the root of all squared gradients so far";
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
        return new Accumulator(groups, settings, (Config) config);
    }

    private static final class Accumulator extends ElementwiseOptimizer {
        private final double epsilon;
        private final double lrDecay;

        Accumulator(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(groups, settings.weightDecay(), List.of(StateBuffer.like("sum")), config.fused());
            epsilon = settings.epsilon();
            lrDecay = config.lrDecay();
            try (Scope scope = Scope.open()) {
                states().forEach(state -> state.buffer(0).fill_(config.initialAccumulatorValue()));
            }
        }

        private double lowered(ParameterState state, double rate) {
            return rate / (1 + (state.step() - 1) * lrDecay);
        }

        @Override
        protected Update kernelUpdate(ParameterState state, double rate) {
            return new AdagradUpdate(lowered(state, rate), state.weightDecay(), epsilon);
        }

        @Override
        protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
            Tensor weight = state.weight();
            Tensor gradient = state.fp32Gradient(gradientScale);
            if (state.weightDecay() != 0) {
                gradient = weight.mul(state.weightDecay()).add_(gradient);
            }
            Tensor sum = state.buffer(0).add_(gradient.square());
            weight.add_(gradient.div(sum.sqrt().add_(epsilon)), -lowered(state, rate));
            state.writeBack();
        }
    }
}
