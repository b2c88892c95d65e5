package quern.optim.internal;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;
import quern.optim.OptimizerSettings;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.tensor.DType;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdamWKernel;
import quern.tensor.kernel.ElementType;

/** The step that Adam and AdamW share. */
public class AdaptiveMoments extends FusedOptimizer {
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
        this(groups, settings, decay, fused, state -> true, List.of());
    }

    /**
     * Allocates the two moments of some parameters. The others' step is a subclass's affair.
     *
     * @param owner whether a parameter has fp32 moments, buffers 0 and 1
     * @param others what else is remembered, buffers 2 and on
     */
    protected AdaptiveMoments(
            List<ParameterGroup> groups,
            OptimizerSettings settings,
            Decay decay,
            Optional<Boolean> fused,
            Predicate<ParameterState> owner,
            List<StateBuffer> others) {
        super(
                groups,
                settings.weightDecay(),
                Stream.concat(
                                Stream.of(StateBuffer.like("exp_avg", owner), StateBuffer.like("exp_avg_sq", owner)),
                                others.stream())
                        .toList(),
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
                numbers(state, rate, gradientScale));
    }

    /** The numbers of a parameter's step. */
    protected final AdamWKernel.Step numbers(ParameterState state, double rate, double gradientScale) {
        return new AdamWKernel.Step(
                rate,
                settings.beta1(),
                settings.beta2(),
                settings.epsilon(),
                state.weightDecay(),
                decay == Decay.DECOUPLED,
                state.step(),
                gradientScale);
    }

    /** Elements of a segment. */
    protected static MemorySegment slice(MemorySegment memory, ElementType type, long begin, int length) {
        return memory.asSlice(begin * type.bytes(), (long) length * type.bytes());
    }

    @Override
    protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
        stepByOperators(state, rate, gradientScale, state.buffer(EXP_AVG), state.buffer(EXP_AVG_SQ));
    }

    /** Takes a step with moments in the parameter's shape, which it updates. */
    protected final void stepByOperators(
            ParameterState state, double rate, double gradientScale, Tensor expAvg, Tensor expAvgSq) {
        Tensor weight = state.weight();
        Tensor gradient = state.fp32Gradient(gradientScale);
        if (state.weightDecay() != 0) {
            switch (decay) {
                case COUPLED -> gradient = weight.mul(state.weightDecay()).add_(gradient);
                case DECOUPLED -> weight.mul_(1 - rate * state.weightDecay());
            }
        }
        expAvg.mul_(settings.beta1()).add_(gradient, 1 - settings.beta1());
        expAvgSq.mul_(settings.beta2()).add_(gradient.square(), 1 - settings.beta2());
        double correction1 = 1 - Math.pow(settings.beta1(), state.step());
        double correction2 = 1 - Math.pow(settings.beta2(), state.step());
        Tensor denominator = expAvgSq.sqrt().div_(Math.sqrt(correction2)).add_(settings.epsilon());
        weight.add_(expAvg.div(denominator), -rate / correction1);
        state.writeBack();
    }
}
