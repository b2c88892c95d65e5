package quern.optim.internal;

import java.util.List;
import java.util.Optional;
import quern.optim.Granularity;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.tensor.kernel.Update;

/** An optimizer that updates every element on its own, so that the kernel needs a single pass. */
public abstract class ElementwiseOptimizer extends FusedOptimizer {
    /** Allocates the state; the arguments are those of {@link FusedOptimizer}. */
    protected ElementwiseOptimizer(
            List<ParameterGroup> groups,
            double defaultWeightDecay,
            List<StateBuffer> buffers,
            Optional<Boolean> fused) {
        super(groups, defaultWeightDecay, buffers, fused);
    }

    /**
     * The kernel's update of one parameter at this step. It may be applied by several threads at once.
     *
     * @param rate the rate for this parameter, its group's factor included
     */
    protected abstract Update kernelUpdate(ParameterState state, double rate);

    @Override
    public final Granularity granularity() {
        return Granularity.ELEMENT;
    }

    @Override
    protected final void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
        new Pass(states, gradientScale).run(learningRate, (owner, rate) -> kernelUpdate(states.get(owner), rate));
    }
}
