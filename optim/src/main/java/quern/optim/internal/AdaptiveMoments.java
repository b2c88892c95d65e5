package quern.optim.internal;

import java.util.List;
import java.util.Optional;
import quern.optim.OptimizerSettings;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.tensor.kernel.Update;

/** Adam and AdamW: every parameter takes an {@link AdamStep}. */
public final class AdaptiveMoments extends ElementwiseOptimizer {
    private final AdamStep step;

    /**
     * Allocates the two moments and the masters.
     *
     * @param fused true: only the fused kernel, or bad input where it can't run; false: only libtorch's operators; empty:
     *     the kernel for fp32 and bf16 weights on the CPU where the kernels are available, operators elsewhere
     */
    public AdaptiveMoments(
            List<ParameterGroup> groups, OptimizerSettings settings, AdamStep.Decay decay, Optional<Boolean> fused) {
        super(
                groups,
                settings.weightDecay(),
                List.of(StateBuffer.like("exp_avg"), StateBuffer.like("exp_avg_sq")),
                fused);
        step = new AdamStep(settings, decay);
    }

    @Override
    protected Update kernelUpdate(ParameterState state, double rate) {
        return step.kernelUpdate(state, rate);
    }

    @Override
    protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
        step.byOperators(state, rate, gradientScale);
    }
}
