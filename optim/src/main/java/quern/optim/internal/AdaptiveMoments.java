package quern.optim.internal;

import java.util.List;
import java.util.Optional;
import quern.optim.OptimizerSettings;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdamUpdate;
import quern.tensor.kernel.Update;

/** The step that Adam and AdamW share. */
public final class AdaptiveMoments extends ElementwiseOptimizer {
    private static final int EXP_AVG = 0;
    private static final int EXP_AVG_SQ = 1;

    /** Where weight decay acts. */
    public enum Decay {
        /** λp is added to the gradient. */
        COUPLED,
        /** The weight shrinks by ηλ before the step. */
        DECOUPLED
    }

    private final OptimizerSettings settings;
    private final Decay decay;

    /**
     * Allocates the two moments and the masters.
     *
     * @param fused true: only the fused kernel, or bad input where it can't run; false: only libtorch's operators; empty:
     *     the kernel for fp32 and bf16 weights on the CPU where the kernels are available, operators elsewhere
     */
    public AdaptiveMoments(
            List<ParameterGroup> groups, OptimizerSettings settings, Decay decay, Optional<Boolean> fused) {
        super(
                groups,
                settings.weightDecay(),
                List.of(StateBuffer.like("exp_avg"), StateBuffer.like("exp_avg_sq")),
                fused);
        this.settings = settings;
        this.decay = decay;
    }

    @Override
    protected Update kernelUpdate(ParameterState state, double rate) {
        return new AdamUpdate(new AdamUpdate.Step(
                rate,
                settings.beta1(),
                settings.beta2(),
                settings.epsilon(),
                state.weightDecay(),
                decay == Decay.DECOUPLED,
                state.step()));
    }

    @Override
    protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
        Tensor weight = state.weight();
        Tensor gradient = state.fp32Gradient(gradientScale);
        if (state.weightDecay() != 0) {
            switch (decay) {
                case COUPLED -> gradient = weight.mul(state.weightDecay()).add_(gradient);
                case DECOUPLED -> weight.mul_(1 - rate * state.weightDecay());
            }
        }
        Tensor expAvg = state.buffer(EXP_AVG);
        Tensor expAvgSq = state.buffer(EXP_AVG_SQ);
        expAvg.mul_(settings.beta1()).add_(gradient, 1 - settings.beta1());
        expAvgSq.mul_(settings.beta2()).add_(gradient.square(), 1 - settings.beta2());
        double correction1 = 1 - Math.pow(settings.beta1(), state.step());
        double correction2 = 1 - Math.pow(settings.beta2(), state.step());
        Tensor denominator = expAvgSq.sqrt().div_(Math.sqrt(correction2)).add_(settings.epsilon());
        weight.add_(expAvg.div(denominator), -rate / correction1);
        state.writeBack();
    }
}
