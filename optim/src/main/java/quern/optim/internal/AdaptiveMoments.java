package quern.optim.internal;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdamWKernel;
import quern.tensor.kernel.ElementType;
import quern.tensor.kernel.Kernels;

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
    private final boolean fused;

    /**
     * Allocates the two moments and the masters.
     *
     * @param fused true: only the fused kernel, or bad input where it can't run; false: only libtorch's operators; empty:
     *     the kernel for fp32 and bf16 weights on the CPU where the kernels are available, operators elsewhere
     */
    public AdaptiveMoments(
            List<ParameterGroup> groups, OptimizerSettings settings, Decay decay, Optional<Boolean> fused) {
        super(groups, settings.weightDecay(), List.of("exp_avg", "exp_avg_sq"));
        this.settings = settings;
        this.decay = decay;
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

    /** Where one parameter's numbers lie. */
    private record Memory(
            MemorySegment gradient,
            ElementType gradientType,
            MemorySegment weight,
            MemorySegment expAvg,
            MemorySegment expAvgSq,
            MemorySegment narrow,
            AdamWKernel.Step step) {}

    private void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
        Memory[] memories = new Memory[states.size()];
        long[] lengths = new long[memories.length];
        for (int i = 0; i < memories.length; i++) {
            memories[i] = memory(states.get(i), learningRate, gradientScale);
            lengths[i] = states.get(i).numel();
        }
        new Slices(lengths).run((slice, owner, begin, length) -> {
            Memory memory = memories[owner];
            AdamWKernel.step(
                    slice(memory.gradient(), memory.gradientType(), begin, length),
                    memory.gradientType(),
                    slice(memory.weight(), ElementType.FP32, begin, length),
                    slice(memory.expAvg(), ElementType.FP32, begin, length),
                    slice(memory.expAvgSq(), ElementType.FP32, begin, length),
                    memory.narrow() == null ? null : slice(memory.narrow(), ElementType.BF16, begin, length),
                    length,
                    memory.step());
        });
    }

    private Memory memory(ParameterState state, double learningRate, double gradientScale) {
        Tensor value = state.parameter().value();
        Tensor gradient = state.gradient();
        boolean narrow = state.dtype() == DType.BF16;
        return new Memory(
                state.memory(gradient),
                gradient.dtype() == DType.BF16 ? ElementType.BF16 : ElementType.FP32,
                state.weightMemory(),
                state.bufferMemory(EXP_AVG),
                state.bufferMemory(EXP_AVG_SQ),
                narrow ? state.memory(value) : null,
                new AdamWKernel.Step(
                        learningRate * state.learningRateFactor(),
                        settings.beta1(),
                        settings.beta2(),
                        settings.epsilon(),
                        state.weightDecay(),
                        decay == Decay.DECOUPLED,
                        state.step(),
                        gradientScale));
    }

    private static MemorySegment slice(MemorySegment memory, ElementType type, long begin, int length) {
        return memory.asSlice(begin * type.bytes(), (long) length * type.bytes());
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
