package quern.optim.internal;

import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import quern.optim.ParameterState;
import quern.tensor.ParallelOperators;

/** Steps of optimizers that work tensor by tensor with many small operators. */
public final class TensorWise {
    // Operators on fewer elements use one thread anyway, and handing them over would take longer.
    private static final long UNDIVIDED = 32_768;

    private TensorWise() {}

    /**
     * Takes every parameter's step, on the CPU several at a time with one thread each. What a step computes does not depend
     * on which others run beside it.
     */
    public static void step(List<ParameterState> states, Consumer<ParameterState> step) {
        List<ParameterState> onCpu = states.stream()
                .filter(state -> !state.device().isCuda())
                // The longest first, so that the threads end together.
                .sorted(Comparator.comparingLong(ParameterState::numel).reversed())
                .toList();
        boolean small = onCpu.stream().mapToLong(ParameterState::numel).sum() < UNDIVIDED;
        ParallelOperators.run(onCpu.size(), small, i -> step.accept(onCpu.get(i)));
        states.stream().filter(state -> state.device().isCuda()).forEach(step);
    }
}
