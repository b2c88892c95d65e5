package quern.optim.internal;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import quern.optim.Optimizer;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;
import quern.tensor.kernel.CodedBuffer;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;
import quern.tensor.kernel.Update;
import quern.tensor.kernel.UpdateKernel;

/**
 * An optimizer whose step goes over memory once or twice by a kernel where that can run, and is a sequence of libtorch's
 * operators elsewhere. A subclass says what the step is, both ways; which way it takes, and how the work is cut and dealt
 * out to threads, is settled here.
 */
public abstract class FusedOptimizer extends Optimizer {
    private final boolean fused;

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
     * Takes one parameter's step by operators.
     *
     * @param rate the rate for this parameter, its group's factor included
     * @param gradientScale what the gradient is multiplied by first
     */
    protected abstract void stepByOperators(ParameterState state, double rate, double gradientScale);

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

    /**
     * Takes the step of all parameters that the kernel can do, at least one.
     *
     * @param learningRate the scheduled rate, to be multiplied by each group's factor
     * @param gradientScale what every gradient is multiplied by first
     */
    protected abstract void stepFused(List<ParameterState> states, double learningRate, double gradientScale);

    /** The memory of some parameters, cut into slices for the kernel's threads: serves any number of passes. */
    protected static final class Pass {
        private final List<ParameterState> states;
        private final UpdateKernel.Memory[] memories;
        private final Slices slices;
        private final float gradientScale;

        /** What to do with a slice. */
        @FunctionalInterface
        public interface Work {
            /** The update for slice number {@code slice}, a part of the parameter with this index. */
            Update of(int slice, int owner);
        }

        /** What to do with a parameter. */
        @FunctionalInterface
        public interface Step {
            /**
             * The update for all slices of the parameter with this index; several threads may apply it at once.
             *
             * @param rate the rate for this parameter, its group's factor included
             */
            Update of(int owner, double rate);
        }

        /** Cuts the parameters. */
        public Pass(List<ParameterState> states, double gradientScale) {
            this(states, gradientScale, Pass::memory);
        }

        /** Cuts the parameters, whose numbers lie where {@code memory} says. */
        public Pass(
                List<ParameterState> states,
                double gradientScale,
                Function<ParameterState, UpdateKernel.Memory> memory) {
            this.states = states;
            this.gradientScale = (float) gradientScale;
            memories = states.stream().map(memory).toArray(UpdateKernel.Memory[]::new);
            slices = new Slices(states.stream().mapToLong(ParameterState::numel).toArray());
        }

        private static UpdateKernel.Memory memory(ParameterState state) {
            List<MemorySegment> buffers = new ArrayList<>();
            for (int i = 0; i < state.buffers(); i++) {
                if (state.has(i)) {
                    buffers.add(state.bufferMemory(i));
                }
            }
            return memory(state, buffers, List.of());
        }

        /** A parameter's memory with the given state. */
        public static UpdateKernel.Memory memory(
                ParameterState state, List<MemorySegment> buffers, List<CodedBuffer> coded) {
            Tensor gradient = state.gradient();
            return new UpdateKernel.Memory(
                    state.memory(gradient),
                    gradient.dtype() == DType.BF16 ? ElementType.BF16 : ElementType.FP32,
                    state.weightMemory(),
                    buffers,
                    coded,
                    state.dtype() == DType.FP32
                            ? null
                            : state.memory(state.parameter().value()),
                    state.numel());
        }

        /** The number of slices. */
        public int slices() {
            return slices.count();
        }

        /** The index of the parameter that a slice is a part of. */
        public int owner(int slice) {
            return slices.owner(slice);
        }

        /**
         * Goes over all elements once, with one update for each parameter.
         *
         * @param learningRate the scheduled rate, to be multiplied by each group's factor
         */
        public void run(double learningRate, Step step) {
            Update[] updates = new Update[states.size()];
            for (int i = 0; i < updates.length; i++) {
                updates[i] = step.of(i, learningRate * states.get(i).learningRateFactor());
            }
            run((slice, owner) -> updates[owner]);
        }

        /** Goes over all elements once. */
        public void run(Work work) {
            slices.run((slice, owner, begin, length) ->
                    UpdateKernel.step(memories[owner], begin, length, gradientScale, work.of(slice, owner)));
        }
    }
}
