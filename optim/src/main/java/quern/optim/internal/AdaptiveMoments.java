package quern.optim.internal;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import quern.optim.OptimizerSettings;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.tensor.DType;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdamWKernel;
import quern.tensor.kernel.ElementType;

/** The step that Adam and AdamW share. */
public final class AdaptiveMoments extends FusedOptimizer {
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

    /** Where one parameter's numbers lie. */
    private record Memory(
            MemorySegment gradient,
            ElementType gradientType,
            MemorySegment weight,
            MemorySegment expAvg,
            MemorySegment expAvgSq,
            MemorySegment narrow,
            AdamWKernel.Step step) {}

    @Override
    protected SliceStep fusedStep(ParameterState state, double rate, double gradientScale) {
        Memory memory = memory(state, rate, gradientScale);
        return (begin, length) -> AdamWKernel.step(
                slice(memory.gradient(), memory.gradientType(), begin, length),
                memory.gradientType(),
                slice(memory.weight(), ElementType.FP32, begin, length),
                slice(memory.expAvg(), ElementType.FP32, begin, length),
                slice(memory.expAvgSq(), ElementType.FP32, begin, length),
                memory.narrow() == null ? null : slice(memory.narrow(), ElementType.BF16, begin, length),
                length,
                memory.step());
    }

    private Memory memory(ParameterState state, double rate, double gradientScale) {
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
                        rate,
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
