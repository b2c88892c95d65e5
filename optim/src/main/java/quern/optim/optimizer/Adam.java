package quern.optim.optimizer;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.internal.AdamStep;
import quern.optim.internal.AdaptiveMoments;
import quern.recipe.Doc;

/**
 * Adam, as {@code torch.optim.Adam}: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (arXiv 1412.6980). With
 * gradient g, weight p, rate η, weight decay λ, β₁ {@code adam_beta1}, β₂ {@code adam_beta2}, ε {@code adam_epsilon} and
 * t the steps this parameter took:
 *
 * <pre>
 * g ← g + λp
 * m ← β₁m + (1-β₁)g
 * v ← β₂v + (1-β₂)g²
 * p ← p - η · m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + ε)
 * </pre>
 *
 * <p>The paper has no weight decay; added to the gradient it is L2 regularisation, as in torch. State: {@code exp_avg}
 * (m) and {@code exp_avg_sq} (v).
 */
public final class Adam implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param fused true: one pass over gradient, moments, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be
     */
    public record Config(
            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "adam";
    }

    @Override
    public String summary() {
        return "Adam: steps scaled by running moments of the gradient; decay is added to the gradient";
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
        return new AdaptiveMoments(groups, settings, AdamStep.Decay.COUPLED, ((Config) config).fused());
    }
}
