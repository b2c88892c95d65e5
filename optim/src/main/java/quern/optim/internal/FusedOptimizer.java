package quern.optim.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.kernel.Kernels;

/**
 * An optimizer whose step is one pass over memory by a kernel where that can run, and a sequence of libtorch's operators
 * elsewhere. A subclass says what one parameter's step is, both ways; which way it takes, and how the work is cut and
 * dealt out to threads, is settled here.
 */
public abstract class FusedOptimizer extends Optimizer {
    private final boolean fused;

    /** Does {@code length} elements from {@code begin} on, in memory order. Called by several threads at once. */
    @FunctionalInterface
    protected interface SliceStep {
        /** Does them. */
        void run(long begin, int length);
    }

    /**
     * Allocates the state.
     *
     * @param fused true: only the fused kernel, or bad input where it can't run; false: only libtorch's operators; empty:
     *     the kernel for fp32 and bf16 weights on the CPU where the kernels are available, operators elsewhere
     */
    protected FusedOptimizer(
            List<ParameterGroup> groups,
            double defaultWeightDecay,
            List<StateBuffer> buffers,
            Optional<Boolean> fused) {
        super(groups, defaultWeightDecay, buffers);
        this.fused = fused.orElseGet(Kernels::available);
        if (fused.orElse(false)) {
            checkFused(groups);
        }
    }

    private void checkFused(List<ParameterGroup> groups) {
        if (!Kernels.available()) {
            close();
            throw QuernException.badInput(
                    "optim_args.fused: can't be true: %s; leave it out or set it to false",
                    Kernels.unavailableReason());
        }
        for (ParameterGroup group : groups) {
            for (Parameter parameter : group.parameters()) {
                DType dtype = parameter.value().dtype();
                if (parameter.isTrainable() && !fits(dtype, parameter.value().device())) {
                    close();
                    throw QuernException.badInput(
                            "optim_args.fused: can't be true for parameter '%s', which is %s on %s; the fused step is for fp32 and bf16 on the CPU, leave it out",
                            parameter.name(), dtype, parameter.value().device());
                }
            }
        }
    }

    private static boolean fits(DType dtype, Device device) {
        return (dtype == DType.FP32 || dtype == DType.BF16) && !device.isCuda();
    }

    /**
     * Prepares one parameter's step by the kernel. It writes the weight in the model's dtype too.
     *
     * @param rate the rate for this parameter, its group's factor included
     * @param gradientScale what the gradient is multiplied by first
     */
    protected abstract SliceStep fusedStep(ParameterState state, double rate, double gradientScale);

    /** Takes one parameter's step by operators; the arguments are those of {@link #fusedStep}. */
    protected abstract void stepByOperators(ParameterState state, double rate, double gradientScale);

    @Override
    public Granularity granularity() {
        return Granularity.ELEMENT;
    }

    @Override
    protected void update(List<ParameterState> states, double learningRate, double gradientScale) {
        List<ParameterState> together = new ArrayList<>(states.size());
        for (ParameterState state : states) {
            if (fused && fits(state.dtype(), state.device())) {
                together.add(state);
            } else {
                stepByOperators(state, learningRate * state.learningRateFactor(), gradientScale);
            }
        }
        if (!together.isEmpty()) {
            stepFused(together, learningRate, gradientScale);
        }
    }

    private void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
        SliceStep[] steps = new SliceStep[states.size()];
        long[] lengths = new long[steps.length];
        for (int i = 0; i < steps.length; i++) {
            ParameterState state = states.get(i);
            steps[i] = fusedStep(state, learningRate * state.learningRateFactor(), gradientScale);
            lengths[i] = state.numel();
        }
        new Slices(lengths).run((slice, owner, begin, length) -> steps[owner].run(begin, length));
    }
}
