package quern.optim.optimizer;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.AdamStep;
import quern.optim.internal.Decomposition;
import quern.optim.internal.InverseRoot;
import quern.optim.internal.SquareSum;
import quern.optim.internal.TensorBlocks;
import quern.optim.internal.TensorWise;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.QuernException;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Shampoo: Gupta, Koren and Singer, "Shampoo: Preconditioned Stochastic Tensor Optimization" (arXiv 1802.09568, algorithm
 * 2), cut into blocks as in Anil et al., "Scalable Second Order Optimization for Deep Learning" (arXiv 2002.09018). With
 * gradient G of k dimensions and its unfolding Gᵢ along dimension i, weight p, rate η, weight decay λ, momentum μ, and ε
 * {@code epsilon}, every block of the tensor on its own:
 *
 * <pre>
 * Sᵢ ← Sᵢ + GᵢGᵢᵀ                            of every dimension i
 * U = G times (εI + Sᵢ)^(-1/(2k)) along every dimension i
 * U ← U · |D| / |U|                          with grafting, over the whole tensor
 * B ← μB + U
 * p ← (1 - ηλ)p - ηB
 * </pre>
 *
 * <p>D is G with {@code grafting: sgd} and Adam's step with {@code adam} ({@code adam_beta1}, {@code adam_beta2}, {@code
 * adam_epsilon}, which nothing else reads): the direction is Shampoo's, the length another optimizer's, and so is the
 * rate that suits it (Agarwal et al., arXiv 2002.11803). The roots are those of a parameter's first step and of every
 * {@code refresh_steps}-th after it. A scalar counts as a vector of one element. The paper has no weight decay; here it
 * is decoupled.
 *
 * <p>What keeps it stable. The sums Sᵢ and their roots are taken in fp64, in which squares of gradients of 1e-38 to 1e38
 * neither vanish nor overflow. ε is added to eigenvalues that were first raised to 0, and none is taken for smaller than
 * what rounding leaves of the largest, n·2⁻⁵² of it for side n: rounding makes small eigenvalues negative, whose roots
 * are no numbers, or far too small, whose roots amplify noise. The gradient is multiplied by the roots in fp64 too, since
 * what rounding adds at one dimension is amplified by the next. Roots that are kept are fp32, but for vectors, whose
 * exponent of -1/2 spans the widest range, fp64.
 *
 * <p>What the formula itself leaves open: with {@code refresh_steps} above 1 a gradient may point where the last roots
 * knew of none, and is stretched by ε^(-1/2) there. Without grafting ε must then be large enough for that.
 *
 * <p>Cost, for a block of d by d: a step takes 8d³ operations in fp64, and a refresh two eigendecompositions of the
 * order of 10d³ each. A side of more than {@value #LARGEST_WHOLE} is refused without blocks. For language models {@code
 * block_size: 128, refresh_steps: 20, grafting: adam} is affordable and takes AdamW's rates.
 *
 * <p>State: {@code statistics}, all Sᵢ of all blocks one after another in fp64; with {@code refresh_steps} above 1 {@code
 * roots} in fp32, or {@code vector_roots} in fp64; {@code momentum_buffer} (B) with momentum; {@code exp_avg} and {@code
 * exp_avg_sq} with {@code grafting: adam}.
 */
public final class Shampoo implements OptimizerTechnique {
    /** The longest side that is preconditioned whole: its eigendecomposition takes seconds. */
    static final long LARGEST_WHOLE = 2048;

    private static final long LARGEST_BLOCK = 8192;

    /** Whose step gives the update its length. */
    public enum Grafting {
        /** Shampoo's own. */
        NONE,
        /** The gradient's. */
        SGD,
        /** Adam's. */
        ADAM
    }

    /**
     * Settings under {@code optim_args}.
     *
     * @param epsilon what each preconditioner starts as, times the identity
     * @param momentum the share of earlier updates that is kept a step
     * @param grafting whose length the update takes
     * @param refreshSteps steps between two computations of the inverse roots
     * @param blockSize the longest side of a block; 0 preconditions tensors whole
     */
    public record Config(
            @Doc("Each preconditioner starts as this times the identity.") @Default("1e-6") @Range(min = 1e-30)
            double epsilon,

            @Doc("Share of earlier updates that is kept a step.")
            @Default("0.0")
            @Range(min = 0, max = 1, maxExclusive = true)
            double momentum,

            @Doc("Whose length the update takes: none (its own), sgd or adam.") @Default("none")
            Grafting grafting,

            @Doc("Steps between two computations of the inverse roots.") @Default("1") @Range(min = 1)
            int refreshSteps,

            @Doc("Longest side of a block that is preconditioned on its own; 0 leaves tensors whole. 128 suits a CPU.")
            @Default("0")
            @Range(min = 0, max = LARGEST_BLOCK)
            int blockSize) {}

    @Override
    public String id() {
        return "shampoo";
    }

    @Override
    public String summary() {
        return "Shampoo: a preconditioner per dimension, of blocks, by inverse roots";
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
        Config chosen = (Config) config;
        if (chosen.blockSize() == 0) {
            groups.forEach(group -> group.parameters().forEach(Shampoo::checkWhole));
        }
        return new Preconditioned(groups, settings, chosen);
    }

    private static void checkWhole(Parameter parameter) {
        if (!parameter.isTrainable()) {
            return;
        }
        for (long side : parameter.value().shape()) {
            if (side > LARGEST_WHOLE) {
                throw QuernException.badInput(
                        "optim_args.block_size: parameter '%s' has a side of %d, and whole preconditioners are for sides of up to %d; set block_size: 128",
                        parameter.name(), side, LARGEST_WHOLE);
            }
        }
    }

    private static final class Preconditioned extends Optimizer {
        private static final int STATISTICS = 0;
        private static final int ROOTS = 1;
        private static final int VECTOR_ROOTS = 2;
        private static final int MOMENTUM = 3;
        private static final int EXP_AVG = 4;
        private static final int EXP_AVG_SQ = 5;

        private final Config config;
        private final OptimizerSettings settings;

        Preconditioned(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(
                            StateBuffer.of("statistics", DType.FP64, state -> squares(state, config)),
                            StateBuffer.of("roots", DType.FP32, state -> roots(state, config, false)),
                            StateBuffer.of("vector_roots", DType.FP64, state -> roots(state, config, true)),
                            StateBuffer.like("momentum_buffer", state -> config.momentum() != 0),
                            StateBuffer.like("exp_avg", state -> config.grafting() == Grafting.ADAM),
                            StateBuffer.like("exp_avg_sq", state -> config.grafting() == Grafting.ADAM)));
            this.config = config;
            this.settings = settings;
        }

        private static boolean isVector(ParameterState state) {
            return state.parameter().value().dim() < 2;
        }

        private static TensorBlocks blocks(ParameterState state, Config config) {
            long[] shape = state.parameter().value().shape();
            return new TensorBlocks(shape.length == 0 ? new long[] {1} : shape, config.blockSize());
        }

        private static Optional<long[]> squares(ParameterState state, Config config) {
            return Optional.of(new long[] {blocks(state, config).squares()});
        }

        private static Optional<long[]> roots(ParameterState state, Config config, boolean ofVectors) {
            return config.refreshSteps() > 1 && isVector(state) == ofVectors
                    ? squares(state, config)
                    : Optional.empty();
        }

        @Override
        public Granularity granularity() {
            return Granularity.TENSOR;
        }

        @Override
        protected void update(List<ParameterState> states, double learningRate, double gradientScale) {
            TensorWise.step(states, state -> step(state, learningRate * state.learningRateFactor(), gradientScale));
        }

        private void step(ParameterState state, double rate, double gradientScale) {
            Tensor gradient = state.fp32Gradient(gradientScale);
            Tensor update = preconditioned(state, gradient);
            switch (config.grafting()) {
                case NONE -> {}
                case SGD -> graft(update, gradient);
                case ADAM -> {
                    Tensor expAvg = state.buffer(EXP_AVG);
                    Tensor expAvgSq = state.buffer(EXP_AVG_SQ);
                    graft(update, AdamStep.direction(settings, expAvg, expAvgSq, gradient, state.step()));
                }
            }
            if (config.momentum() != 0) {
                update = state.buffer(MOMENTUM).mul_(config.momentum()).add_(update);
            }
            Tensor weight = state.weight();
            if (state.weightDecay() != 0) {
                weight.mul_(1 - rate * state.weightDecay());
            }
            weight.add_(update, -rate);
            state.writeBack();
        }

        private Tensor preconditioned(ParameterState state, Tensor gradient) {
            Tensor whole = gradient.dim() == 0 ? gradient.unsqueeze(0) : gradient;
            Tensor result = Tensor.empty(DType.FP32, state.device(), whole.shape());
            long offset = 0;
            for (TensorBlocks.Region region : blocks(state, config).regions()) {
                Tensor blocks = region.gather(whole).to(DType.FP64);
                Tensor update = blocks;
                for (int dim = 0; dim < whole.dim(); dim++) {
                    long length = region.blocks() * region.extents()[dim] * region.extents()[dim];
                    update = times(root(state, blocks, dim, offset, length), update, dim + 1);
                    offset += length;
                }
                region.scatter(update, result);
            }
            return gradient.dim() == 0 ? result.squeeze(0) : result;
        }

        /** The fp64 roots [blocks, n, n] of a region's blocks along a dimension, from statistics that have the gradient. */
        private Tensor root(ParameterState state, Tensor blocks, int dim, long offset, long length) {
            long side = blocks.size(dim + 1);
            Tensor statistics =
                    state.buffer(STATISTICS).narrow(0, offset, length).view(-1, side, side);
            Tensor unfolded = unfolded(blocks, dim + 1);
            statistics.add_(unfolded.bmm(unfolded.transpose(1, 2)));
            boolean fresh = (state.step() - 1) % config.refreshSteps() == 0;
            int buffer = isVector(state) ? VECTOR_ROOTS : ROOTS;
            Tensor kept = state.has(buffer)
                    ? state.buffer(buffer).narrow(0, offset, length).view(-1, side, side)
                    : null;
            if (!fresh) {
                return kept.to(DType.FP64);
            }
            int order = Math.max(1, blocks.dim() - 1);
            Tensor root = Decomposition.of(
                    () -> InverseRoot.of(statistics, config.epsilon(), 2 * order),
                    "optim shampoo: the preconditioner of parameter '%s', dimension %d, has no eigenvalues",
                    state.parameter().name(),
                    dim);
            return kept == null ? root : kept.copy_(root).to(DType.FP64);
        }

        /** A batch's matrices [blocks, n, rest], whose rows run along a dimension of the blocks. */
        private static Tensor unfolded(Tensor blocks, int dim) {
            return blocks.transpose(1, dim).reshape(blocks.size(0), blocks.size(dim), -1);
        }

        /** Every vector along a dimension of the blocks, multiplied by its block's matrix. */
        private static Tensor times(Tensor matrices, Tensor blocks, int dim) {
            Tensor turned = blocks.transpose(1, dim);
            Tensor product = matrices.bmm(unfolded(blocks, dim));
            return product.view(turned.shape()).transpose(1, dim);
        }

        /** Gives {@code update} the length of another; an update of zero stays one. */
        private static void graft(Tensor update, Tensor other) {
            double[] sums = SquareSum.of(List.of(update, other));
            double length = Math.sqrt(sums[0]);
            if (length > 0) {
                // One after the other: their quotient may be beyond fp32.
                update.div_(length).mul_(Math.sqrt(sums[1]));
            }
        }
    }
}
