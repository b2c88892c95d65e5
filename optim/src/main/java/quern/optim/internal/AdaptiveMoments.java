package quern.optim.internal;

import java.util.List;
import java.util.Optional;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.tensor.Tensor;

/** The step that Adam and AdamW share. */
public final class AdaptiveMoments extends Optimizer {
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

    /** Allocates the two moments and the masters. */
    public AdaptiveMoments(
            List<ParameterGroup> groups, OptimizerSettings settings, Decay decay, Optional<Boolean> fused) {
        super(groups, settings.weightDecay(), List.of("exp_avg", "exp_avg_sq"));
        this.settings = settings;
        this.decay = decay;
    }

    @Override
    public Granularity granularity() {
        return Granularity.ELEMENT;
    }

    @Override
    protected void update(List<ParameterState> states, double learningRate, double gradientScale) {
        for (ParameterState state : states) {
            stepByOperators(state, learningRate * state.learningRateFactor(), gradientScale);
        }
    }

    private void stepByOperators(ParameterState state, double rate, double gradientScale) {
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
