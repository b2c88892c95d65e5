package quern.optim.optimizer;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.AdamStep;
import quern.optim.internal.Decomposition;
import quern.optim.internal.MatrixOptimizer;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Linalg;
import quern.tensor.Tensor;

/**
 * GaLore, AdamW whose moments live in a subspace of the gradient: Zhao et al., "GaLore: Memory-Efficient LLM Training by
 * Gradient Low-Rank Projection" (arXiv 2403.03507, algorithm 2). For a hidden matrix [m, n] with gradient G, weight p,
 * rate η, weight decay λ, {@code rank} r, {@code scale} α, β₁ {@code adam_beta1}, β₂ {@code adam_beta2}, ε {@code
 * adam_epsilon} and t the steps this parameter took:
 *
 * <pre>
 * P = the first r left singular vectors of G (m ≤ n), at the first step and every update_proj_gap-th after it
 * R = PᵀG
 * M ← β₁M + (1-β₁)R,   V ← β₂V + (1-β₂)R²
 * N = M/(1-β₁ᵗ) / (√(V/(1-β₂ᵗ)) + ε)
 * p ← (1 - ηλ)p - ηα·PN
 * </pre>
 *
 * <p>Where m > n P holds right singular vectors, R = GP and the step is NPᵀ: so with {@code proj_type: std} it is the
 * shorter side that is projected, with {@code reverse_std} the longer, with {@code left} and {@code right} the rows or the
 * columns. When P changes, M and V keep their numbers, as in the paper. A singular vector's sign is chosen so that its
 * largest entry is positive, which the paper leaves open: M depends on it.
 *
 * <p>A tensor of three dimensions is a stack of matrices, one of more is flattened behind its first. Matrices whose
 * shorter side is no longer than the rank, embedding tables, heads and parameters of fewer than two dimensions take the
 * steps of {@link AdamW}.
 *
 * <p>Cost, where k is the projected side: 4mnr operations a step, and at a change of P, by the eigenvectors of GGᵀ or GᵀG
 * in fp64, 2mnk and about 10k³.
 *
 * <p>State, in place of AdamW's 2mn numbers: {@code low_rank_exp_avg} (M), {@code low_rank_exp_avg_sq} (V) and {@code
 * projection} (P), for m ≤ n 2nr + mr. {@code exp_avg} and {@code exp_avg_sq} of the other parameters.
 */
public final class GaloreAdamW implements OptimizerTechnique {
    /** Which side of a matrix is projected. */
    public enum ProjType {
        /** The shorter; of a square matrix the columns. */
        STD,
        /** The longer; of a square matrix the rows. */
        REVERSE_STD,
        /** The columns. */
        RIGHT,
        /** The rows. */
        LEFT;

        private boolean ofColumns(long rows, long columns) {
            return switch (this) {
                case STD -> rows >= columns;
                case REVERSE_STD -> rows < columns;
                case RIGHT -> true;
                case LEFT -> false;
            };
        }
    }

    /**
     * Settings under {@code optim_args}.
     *
     * @param rank the dimensions of the subspace
     * @param updateProjGap steps between two choices of the subspace
     * @param scale what steps in the subspace are multiplied by
     * @param projType which side of a matrix is projected
     */
    public record Config(
            @Doc("Dimensions of the subspace in which the moments live.") @Default("128") @Range(min = 1)
            int rank,

            @Doc("Steps between two choices of the subspace.") @Default("200") @Range(min = 1)
            int updateProjGap,

            @Doc("What steps in the subspace are multiplied by.") @Default("0.25") @Range(min = 0, minExclusive = true)
            double scale,

            @Doc("Which side of a matrix is projected: std (the shorter), reverse_std, left (rows) or right (columns).")
            @Default("std")
            ProjType projType) {}

    @Override
    public String id() {
        return "galore_adamw";
    }

    @Override
    public String summary() {
        return "GaLore: AdamW with the moments of matrices in a low-rank subspace";
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
        return new Projected(groups, settings, (Config) config);
    }

    private static final class Projected extends MatrixOptimizer {
        private static final int LOW_RANK_EXP_AVG = FIRST_BUFFER;
        private static final int LOW_RANK_EXP_AVG_SQ = FIRST_BUFFER + 1;
        private static final int PROJECTION = FIRST_BUFFER + 2;

        private final Config config;
        private final OptimizerSettings settings;

        Projected(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings,
                    state -> isProjected(state, config),
                    1,
                    List.of(
                            StateBuffer.of("low_rank_exp_avg", DType.FP32, state -> lowRank(state, config)),
                            StateBuffer.of("low_rank_exp_avg_sq", DType.FP32, state -> lowRank(state, config)),
                            StateBuffer.of("projection", DType.FP32, state -> projection(state, config))));
            this.config = config;
            this.settings = settings;
        }

        private static boolean isProjected(ParameterState state, Config config) {
            if (state.role() != ParameterRole.HIDDEN_MATRIX || state.numel() == 0) {
                return false;
            }
            long[] shape = matricesShape(state.parameter().value());
            return Math.min(shape[1], shape[2]) > config.rank();
        }

        private static Optional<long[]> lowRank(ParameterState state, Config config) {
            if (!isProjected(state, config)) {
                return Optional.empty();
            }
            long[] shape = matricesShape(state.parameter().value());
            return Optional.of(
                    config.projType().ofColumns(shape[1], shape[2])
                            ? new long[] {shape[0], shape[1], config.rank()}
                            : new long[] {shape[0], config.rank(), shape[2]});
        }

        private static Optional<long[]> projection(ParameterState state, Config config) {
            if (!isProjected(state, config)) {
                return Optional.empty();
            }
            long[] shape = matricesShape(state.parameter().value());
            long side = config.projType().ofColumns(shape[1], shape[2]) ? shape[2] : shape[1];
            return Optional.of(new long[] {shape[0], side, config.rank()});
        }

        @Override
        protected void step(ParameterState state, Tensor gradients, Tensor weights, double keep, double rate) {
            boolean ofColumns = config.projType().ofColumns(gradients.size(1), gradients.size(2));
            Tensor projection = state.buffer(PROJECTION);
            if ((state.step() - 1) % config.updateProjGap() == 0) {
                choose(state, gradients, ofColumns);
            }
            Tensor low = ofColumns
                    ? gradients.bmm(projection)
                    : projection.transpose(1, 2).bmm(gradients);
            Tensor step = AdamStep.direction(
                    settings,
                    state.buffer(LOW_RANK_EXP_AVG),
                    state.buffer(LOW_RANK_EXP_AVG_SQ),
                    low.contiguous(),
                    state.step());
            // The product goes straight into the weights.
            weights.baddbmm_(
                    ofColumns ? step : projection,
                    ofColumns ? projection.transpose(1, 2) : step,
                    keep,
                    -rate * config.scale());
        }

        /** The first singular vectors of the gradient, as eigenvectors of its product with itself. */
        private void choose(ParameterState state, Tensor gradients, boolean ofColumns) {
            // Scaled, so that squares of small gradients keep their digits; only directions matter.
            Tensor largest = gradients.abs().amax(true, 1, 2);
            Tensor g = gradients.to(DType.FP64).div(largest.add(Float.MIN_NORMAL));
            Tensor gram = ofColumns ? g.transpose(1, 2).bmm(g) : g.bmm(g.transpose(1, 2));
            Tensor vectors = Decomposition.of(
                    () -> Linalg.symmetricEigen(gram).vectors(),
                    "optim galore_adamw: the gradient of parameter '%s' has no singular vectors",
                    state.parameter().name());
            Tensor first = vectors.narrow(2, vectors.size(2) - config.rank(), config.rank())
                    .flip(2);
            Tensor top = first.gather(1, first.abs().argmax(1).unsqueeze(1));
            Tensor sign = Tensor.where(top.lt(0), top.mul(0).add(-1), top.mul(0).add(1));
            state.buffer(PROJECTION).copy_(first.mul(sign));
        }
    }
}
