package quern.optim.internal;

import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;
import quern.optim.Granularity;
import quern.optim.OptimizerSettings;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.tensor.Tensor;

/**
 * An optimizer with a rule of its own for some matrices, whose other parameters take AdamW's steps, fused where that can
 * be. The others have the state {@code exp_avg} and {@code exp_avg_sq}; the matrices have the subclass's.
 */
public abstract class MatrixOptimizer extends FusedOptimizer {
    /** The index of the subclass's first buffer. */
    protected static final int FIRST_BUFFER = 2;

    private final Predicate<ParameterState> isMatrix;
    private final AdamStep adam;
    private final double adamFactor;

    /**
     * Allocates the state.
     *
     * @param isMatrix which parameters follow the subclass's rule; they have two dimensions or more
     * @param adamFactor what the rate is multiplied by for the others
     * @param matrixBuffers what the subclass remembers; the first has index {@link #FIRST_BUFFER}
     */
    protected MatrixOptimizer(
            List<ParameterGroup> groups,
            OptimizerSettings settings,
            Predicate<ParameterState> isMatrix,
            double adamFactor,
            List<StateBuffer> matrixBuffers) {
        super(
                groups,
                settings.weightDecay(),
                Stream.concat(
                                Stream.of(
                                        StateBuffer.like("exp_avg", isMatrix.negate()),
                                        StateBuffer.like("exp_avg_sq", isMatrix.negate())),
                                matrixBuffers.stream())
                        .toList(),
                Optional.empty());
        this.isMatrix = isMatrix;
        this.adam = new AdamStep(settings, AdamStep.Decay.DECOUPLED);
        this.adamFactor = adamFactor;
    }

    @Override
    public Granularity granularity() {
        return Granularity.TENSOR;
    }

    /**
     * The matrices of a tensor of two dimensions or more as [count, rows, columns]: three dimensions are a stack of
     * matrices (experts), more are one matrix, flattened behind the first (a convolution's filters).
     */
    protected static Tensor matrices(Tensor x) {
        long[] shape = matricesShape(x);
        return x.reshape(shape);
    }

    /** The shape of {@link #matrices}. */
    protected static long[] matricesShape(Tensor x) {
        long[] shape = x.shape();
        if (shape.length == 3) {
            return shape;
        }
        long columns = 1;
        for (int d = 1; d < shape.length; d++) {
            columns *= shape[d];
        }
        return new long[] {1, shape[0], columns};
    }

    /**
     * Takes one matrix parameter's step.
     *
     * @param gradients this step's, scaled, fp32, as {@link #matrices}
     * @param weights the fp32 weights, as {@link #matrices}, to be updated in place
     * @param keep what the weights are multiplied by first: 1 less the decay
     * @param rate the rate for this parameter
     */
    protected abstract void step(ParameterState state, Tensor gradients, Tensor weights, double keep, double rate);

    @Override
    protected final void update(List<ParameterState> states, double learningRate, double gradientScale) {
        TensorWise.step(
                states.stream().filter(isMatrix).toList(),
                state -> step(state, learningRate * state.learningRateFactor(), gradientScale));
        super.update(states.stream().filter(isMatrix.negate()).toList(), learningRate * adamFactor, gradientScale);
    }

    private void step(ParameterState state, double rate, double gradientScale) {
        Tensor weight = state.weight();
        Tensor weights = matrices(weight);
        step(state, matrices(state.fp32Gradient(gradientScale)), weights, 1 - rate * state.weightDecay(), rate);
        if (weight.dim() > 3 && !weight.isContiguous()) {
            // Flattened in another order than memory's, so a copy.
            weight.copy_(weights.view(weight.shape()));
        }
        state.writeBack();
    }

    @Override
    protected final void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
        new Pass(states, gradientScale).run(learningRate, (owner, rate) -> adam.kernelUpdate(states.get(owner), rate));
    }

    @Override
    protected final void stepByOperators(ParameterState state, double rate, double gradientScale) {
        adam.byOperators(state, rate, gradientScale);
    }
}
