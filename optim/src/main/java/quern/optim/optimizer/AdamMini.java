package quern.optim.optimizer;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.FusedOptimizer;
import quern.optim.internal.Slices;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Tensor;
import quern.tensor.kernel.AdamMiniKernel;
import quern.tensor.kernel.AdamUpdate;
import quern.tensor.kernel.UpdateKernel;

/**
 * AdamW with one second moment a block of weights in place of one a weight, which halves the state: Zhang et al.,
 * "Adam-mini: Use Fewer Learning Rates To Gain More" (arXiv 2406.16793), as the authors' package {@code adam-mini} 1.1.1.
 * With gradient g, weight p, rate η, weight decay λ, β₁ {@code adam_beta1}, β₂ {@code adam_beta2}, ε {@code
 * adam_epsilon}, t the steps this parameter took, and b a block:
 *
 * <pre>
 * p ← (1 - ηλ)p
 * m ← β₁m + (1-β₁)g
 * v_b ← β₂v_b + (1-β₂) · mean of g² over b
 * p ← p - η · m/(1-β₁ᵗ) / (√(v_b/(1-β₂ᵗ)) + ε)
 * </pre>
 *
 * <p>Blocks follow the Hessian's dense parts:
 *
 * <ul>
 *   <li>an embedding table or head ({@link ParameterRole#EMBEDDING}): a block a token, that is a row;
 *   <li>a weight inside the network ({@link ParameterRole#HIDDEN_MATRIX}): a block an output neuron, that is a row, the
 *       further dimensions taken together. With {@code head_dim}, queries and keys, known by their names, have a block a
 *       head instead: {@code head_dim} rows;
 *   <li>a bias, known by its name: a block an element, which is AdamW;
 *   <li>another vector ({@link ParameterRole#VECTOR}), such as a norm's: one block.
 * </ul>
 *
 * <p>State: {@code exp_avg} (m, in the weight's shape) and {@code exp_avg_sq} (v, one number a block). The step needs
 * whole tensors. The fused one goes over memory once, since a block's gradients, read for their mean, are still in a cache
 * when they are read again.
 */
public final class AdamMini implements OptimizerTechnique {
    private static final Pattern QUERY_OR_KEY = Pattern.compile("(?:.*\\.)?(?:q_proj|k_proj|query|key|q|k)\\.weight");
    private static final String BIAS = "bias";

    /**
     * Settings under {@code optim_args}.
     *
     * @param headDim the rows of query and key weights that make a head; absent: every row is a block
     * @param fused true: one pass over gradient, state, master and weight in the processor's vector unit, or an error
     *     where that can't be done; false: libtorch's operators one after another; absent: the first where it can be.
     *     Weights that do not lie row by row in memory, such as transposed ones, have no blocks to pass over and take the
     *     operators either way
     */
    public record Config(
            @Doc(
                    "Rows of query and key weights that make a head and share a second moment; each row has its own when left out.")
            @Range(min = 1)
            Optional<Integer> headDim,

            @Doc(
                    "Update in one fused pass: true insists, false uses separate operators, absent takes it where it is available.")
            Optional<Boolean> fused) {}

    @Override
    public String id() {
        return "adam_mini";
    }

    @Override
    public String summary() {
        return "AdamW with one second moment a row or head";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Set<String> settings() {
        return OptimizerSettings.KEYS;
    }

    @Override
    public Optimizer create(List<ParameterGroup> groups, OptimizerSettings settings, Record config) {
        return new Mini(groups, settings, (Config) config);
    }

    private static final class Mini extends FusedOptimizer {
        private static final int EXP_AVG = 0;
        private static final int EXP_AVG_SQ = 1;

        private final OptimizerSettings settings;

        Mini(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(
                            StateBuffer.like("exp_avg"),
                            StateBuffer.of(
                                    "exp_avg_sq",
                                    DType.FP32,
                                    state -> Optional.of(new long[] {blocks(state, config.headDim())}))),
                    config.fused());
            this.settings = settings;
        }

        /** How many blocks a parameter has; each is as many elements, in the order of the logical shape. */
        private static long blocks(ParameterState state, Optional<Integer> headDim) {
            String name = state.parameter().name();
            Tensor value = state.parameter().value();
            if (value.dim() < 2) {
                return name.endsWith(BIAS) ? value.numel() : 1;
            }
            long rows = value.size(0);
            boolean heads = headDim.isPresent()
                    && state.role() == ParameterRole.HIDDEN_MATRIX
                    && QUERY_OR_KEY.matcher(name).matches();
            if (!heads) {
                return rows;
            }
            if (rows % headDim.get() != 0) {
                throw QuernException.badInput(
                        "optim_args.head_dim: found %d, but '%s' has %d rows, which are no whole heads; set the model's head_dim",
                        headDim.get(), name, rows);
            }
            return rows / headDim.get();
        }

        @Override
        public Granularity granularity() {
            return Granularity.TENSOR;
        }

        @Override
        protected void stepFused(List<ParameterState> states, double learningRate, double gradientScale) {
            List<ParameterState> rowByRow = states.stream()
                    .filter(state -> state.parameter().value().isContiguous())
                    .toList();
            states.stream()
                    .filter(state -> !state.parameter().value().isContiguous())
                    .forEach(state -> stepByOperators(state, learningRate * state.learningRateFactor(), gradientScale));
            Part[] parts = rowByRow.stream()
                    .map(state -> part(state, learningRate * state.learningRateFactor(), (float) gradientScale))
                    .toArray(Part[]::new);
            long[] lengths = rowByRow.stream().mapToLong(ParameterState::numel).toArray();
            long[] blocks = rowByRow.stream().mapToLong(Mini::blockLength).toArray();
            new Slices(lengths, blocks).run((slice, owner, begin, length) -> parts[owner].step(begin, length));
        }

        /** The kernel's step of some whole blocks of a parameter. */
        @FunctionalInterface
        private interface Part {
            void step(long begin, long length);
        }

        private Part part(ParameterState state, double rate, float gradientScale) {
            AdamUpdate.Step numbers = new AdamUpdate.Step(
                    rate,
                    settings.beta1(),
                    settings.beta2(),
                    settings.epsilon(),
                    state.weightDecay(),
                    true,
                    state.step());
            MemorySegment first = state.bufferMemory(EXP_AVG);
            MemorySegment second = state.bufferMemory(EXP_AVG_SQ);
            long blockLength = blockLength(state);
            if (blockLength == 1) {
                UpdateKernel.Memory memory = Pass.memory(state, List.of(first, second), List.of());
                AdamUpdate adam = new AdamUpdate(numbers);
                return (begin, length) -> UpdateKernel.step(memory, begin, length, gradientScale, adam);
            }
            UpdateKernel.Memory memory = Pass.memory(state, List.of(first), List.of());
            return new AdamMiniKernel(memory, second, blockLength, gradientScale, numbers)::step;
        }

        private static long blockLength(ParameterState state) {
            return Math.max(
                    1, state.numel() / Math.max(1, state.buffer(EXP_AVG_SQ).numel()));
        }

        @Override
        protected void stepByOperators(ParameterState state, double rate, double gradientScale) {
            Tensor gradient = state.fp32Gradient(gradientScale);
            Tensor weight = state.weight();
            if (state.weightDecay() != 0) {
                weight.mul_(1 - rate * state.weightDecay());
            }
            Tensor expAvg = state.buffer(EXP_AVG);
            Tensor expAvgSq = state.buffer(EXP_AVG_SQ);
            long blocks = expAvgSq.numel();
            expAvg.mul_(settings.beta1()).add_(gradient, 1 - settings.beta1());
            Tensor squares = gradient.square().reshape(blocks, -1).mean(false, 1);
            expAvgSq.mul_(settings.beta2()).add_(squares, 1 - settings.beta2());
            double correction1 = 1 - Math.pow(settings.beta1(), state.step());
            double correction2 = 1 - Math.pow(settings.beta2(), state.step());
            Tensor denominator = expAvgSq.sqrt().div_(Math.sqrt(correction2)).add_(settings.epsilon());
            weight.add_(expAvg.div(spread(denominator, weight.shape())), -rate / correction1);
            state.writeBack();
        }

        /** Numbers of blocks as a tensor that a weight of this shape can be divided by. */
        private Tensor spread(Tensor blocks, long[] shape) {
            if (shape.length < 2) {
                return shape.length == 0 ? blocks.reshape() : blocks;
            }
            long rows = shape[0] / blocks.numel();
            Tensor perRow = rows == 1
                    ? blocks
                    : blocks.unsqueeze(1).expand(blocks.numel(), rows).reshape(shape[0]);
            long[] columns = IntStream.range(0, shape.length).mapToLong(i -> 1).toArray();
            columns[0] = shape[0];
            return perRow.reshape(columns);
        }
    }
}
