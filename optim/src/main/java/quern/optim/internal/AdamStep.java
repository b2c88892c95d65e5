package quern.optim.internal;

import quern.optim.OptimizerSettings;
import quern.optim.ParameterState;
import quern.tensor.DType;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdamDirectionKernel;
import quern.tensor.kernel.AdamUpdate;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.Update;

/**
 * The step of Adam and AdamW with one parameter, by the kernel and by operators. The parameter's first two buffers are the
 * moments.
 */
public final class AdamStep {
    /** Where weight decay acts. */
    public enum Decay {
        /** λp is added to the gradient. */
        COUPLED,
        /** The weight shrinks by ηλ before the step. */
        DECOUPLED
    }

    private static final int EXP_AVG = 0;
    private static final int EXP_AVG_SQ = 1;

    private final OptimizerSettings settings;
    private final Decay decay;

    /** A step with the recipe's numbers. */
    public AdamStep(OptimizerSettings settings, Decay decay) {
        this.settings = settings;
        this.decay = decay;
    }

    /** The kernel's update. */
    public Update kernelUpdate(ParameterState state, double rate) {
        return new AdamUpdate(new AdamUpdate.Step(
                rate,
                settings.beta1(),
                settings.beta2(),
                settings.epsilon(),
                state.weightDecay(),
                decay == Decay.DECOUPLED,
                state.step()));
    }

    /** The same by libtorch's operators. */
    public void byOperators(ParameterState state, double rate, double gradientScale) {
        byOperators(state, rate, gradientScale, state.buffer(EXP_AVG), state.buffer(EXP_AVG_SQ));
    }

    /** The same with moments from elsewhere, in the parameter's shape, which it updates. */
    public void byOperators(
            ParameterState state, double rate, double gradientScale, Tensor firstMoment, Tensor secondMoment) {
        Tensor weight = state.weight();
        Tensor gradient = state.fp32Gradient(gradientScale);
        if (state.weightDecay() != 0) {
            switch (decay) {
                case COUPLED -> gradient = weight.mul(state.weightDecay()).add_(gradient);
                case DECOUPLED -> weight.mul_(1 - rate * state.weightDecay());
            }
        }
        weight.add_(directionByOperators(settings, firstMoment, secondMoment, gradient, state.step()), -rate);
        state.writeBack();
    }

    /**
     * Takes a gradient into the moments, which change in place; in one pass where the kernels can, on the calling thread.
     *
     * @param gradient fp32, in the moments' shape; it does not change
     * @param step how many gradients the moments then hold
     * @return Adam's step for a rate of -1: the corrected first moment over the root of the corrected second plus epsilon
     */
    public static Tensor direction(
            OptimizerSettings settings, Tensor expAvg, Tensor expAvgSq, Tensor gradient, long step) {
        if (!Kernels.available() || !isPlain(expAvg) || !isPlain(expAvgSq) || !isPlain(gradient)) {
            return directionByOperators(settings, expAvg, expAvgSq, gradient, step);
        }
        Tensor direction = Tensor.empty(DType.FP32, gradient.device(), gradient.shape());
        new AdamDirectionKernel(settings.beta1(), settings.beta2(), settings.epsilon(), step)
                .run(gradient.memory(), expAvg.memory(), expAvgSq.memory(), direction.memory(), gradient.numel());
        return direction;
    }

    private static boolean isPlain(Tensor tensor) {
        return !tensor.device().isCuda() && tensor.isContiguous() && tensor.numel() > 0;
    }

    /** The same by libtorch's operators. */
    static Tensor directionByOperators(
            OptimizerSettings settings, Tensor expAvg, Tensor expAvgSq, Tensor gradient, long step) {
        expAvg.mul_(settings.beta1()).add_(gradient, 1 - settings.beta1());
        expAvgSq.mul_(settings.beta2()).add_(gradient.square(), 1 - settings.beta2());
        double correction1 = 1 - Math.pow(settings.beta1(), step);
        double correction2 = 1 - Math.pow(settings.beta2(), step);
        Tensor denominator = expAvgSq.sqrt().div_(Math.sqrt(correction2)).add_(settings.epsilon());
        return expAvg.div(denominator).div_(correction1);
    }
}
