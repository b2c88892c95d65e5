package quern.optim.optimizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import quern.optim.Granularity;
import quern.optim.Optimizer;
import quern.optim.OptimizerSettings;
import quern.optim.OptimizerTechnique;
import quern.optim.ParameterGroup;
import quern.optim.ParameterRole;
import quern.optim.ParameterState;
import quern.optim.StateBuffer;
import quern.optim.internal.AdamStep;
import quern.optim.internal.Decomposition;
import quern.optim.internal.TensorWise;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Linalg;
import quern.tensor.Tensor;

/**
 * SOAP, Adam in the eigenbasis of Shampoo's preconditioners: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using
 * Adam" (arXiv 2409.11321, algorithm 3). With gradient G and its unfolding Gᵢ along dimension i, weight p, rate η, weight
 * decay λ, β₁ {@code adam_beta1}, β₂ {@code adam_beta2}, β₃ {@code shampoo_beta} or else β₂, ε {@code adam_epsilon} and t
 * the steps this parameter took less one:
 *
 * <pre>
 * G' = G times Qᵢᵀ along every dimension i
 * M' ← β₁M' + (1-β₁)G'
 * V ← β₂V + (1-β₂)G'²
 * N' = M'/(1-β₁ᵗ) / (√(V/(1-β₂ᵗ)) + ε)
 * p ← (1 - ηλ)p - η·(N' times Qᵢ along every dimension i)
 * Sᵢ ← β₃Sᵢ + (1-β₃)GᵢGᵢᵀ
 * Qᵢ ← the Q of the QR decomposition of SᵢQᵢ, where t is a multiple of precondition_frequency
 * </pre>
 *
 * <p>M' is the paper's M in the bases; a refresh turns it from the old ones into the new, which costs less than to turn M at
 * every step. Before a refresh the columns of Qᵢ, and V with them, are put in the order of falling eigenvalue estimates
 * QᵢᵀSᵢQᵢ.
 * A parameter's first gradient only sets up Sᵢ and, by an eigendecomposition, Qᵢ: neither weight nor moments change, so
 * that no step is taken in a basis which was made from its own gradient. A dimension longer than {@code max_precond_dim},
 * the rows of embedding tables and heads, and parameters of fewer than two dimensions have no Q: there this is Adam.
 *
 * <p>Deviations from the paper: none in the formulas; its program limits Q to sides of 10,000, here the default is a side
 * whose eigendecomposition takes seconds.
 *
 * <p>Cost, for a matrix of m by n: 5mn(m+n) operations in fp32 a step (to rotate G and N', and to sum half of each Sᵢ),
 * and 4mn(m+n) in fp32 and about 5(m³+n³) in fp64 a refresh.
 *
 * <p>State: {@code exp_avg_rotated} (M') and {@code exp_avg_sq} (V); {@code statistics}, all Sᵢ one after another, of
 * which only the lower triangles count, and {@code basis}, all Qᵢ.
 */
public final class Soap implements OptimizerTechnique {
    /**
     * Settings under {@code optim_args}.
     *
     * @param preconditionFrequency steps between two refreshes of the bases
     * @param shampooBeta the share of the statistics that is kept a step; absent: {@code adam_beta2}
     * @param maxPrecondDim the longest side that is rotated
     */
    public record Config(
            @Doc("Steps between two refreshes of the eigenbases.") @Default("10") @Range(min = 1)
            int preconditionFrequency,

            @Doc("Share of the preconditioners' statistics that is kept a step; adam_beta2 when left out.")
            @Range(min = 0, max = 1, maxExclusive = true)
            Optional<Double> shampooBeta,

            @Doc("Longest side that is rotated into an eigenbasis; longer ones are left as they are.")
            @Default("2048")
            @Range(min = 1)
            int maxPrecondDim) {}

    @Override
    public String id() {
        return "soap";
    }

    @Override
    public String summary() {
        return "SOAP: Adam in the slowly changing eigenbasis of Shampoo's preconditioners";
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
        return new Rotated(groups, settings, (Config) config);
    }

    /** The square matrix of a dimension, as a view into a flat buffer. */
    private record Side(int dim, Tensor statistics, Tensor basis) {}

    private static final class Rotated extends Optimizer {
        private static final int EXP_AVG = 0;
        private static final int EXP_AVG_SQ = 1;
        private static final int STATISTICS = 2;
        private static final int BASIS = 3;

        private final Config config;
        private final OptimizerSettings settings;
        private final double statisticsKept;

        Rotated(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings.weightDecay(),
                    List.of(
                            StateBuffer.like("exp_avg_rotated"),
                            StateBuffer.like("exp_avg_sq"),
                            StateBuffer.of("statistics", DType.FP32, state -> squares(state, config)),
                            StateBuffer.of("basis", DType.FP32, state -> squares(state, config))));
            this.config = config;
            this.settings = settings;
            this.statisticsKept = config.shampooBeta().orElse(settings.beta2());
        }

        private static boolean isRotated(ParameterState state, int dim, Config config) {
            Tensor value = state.parameter().value();
            return value.dim() >= 2
                    && value.numel() > 0
                    && value.size(dim) <= config.maxPrecondDim()
                    && !(dim == 0 && state.role() == ParameterRole.EMBEDDING);
        }

        private static Optional<long[]> squares(ParameterState state, Config config) {
            long sum = 0;
            for (int dim = 0; dim < state.parameter().value().dim(); dim++) {
                long side = state.parameter().value().size(dim);
                sum += isRotated(state, dim, config) ? side * side : 0;
            }
            return sum == 0 ? Optional.empty() : Optional.of(new long[] {sum});
        }

        private List<Side> sides(ParameterState state) {
            List<Side> sides = new ArrayList<>();
            long offset = 0;
            for (int dim = 0; dim < state.parameter().value().dim(); dim++) {
                if (isRotated(state, dim, config)) {
                    long side = state.parameter().value().size(dim);
                    sides.add(new Side(
                            dim,
                            state.buffer(STATISTICS)
                                    .narrow(0, offset, side * side)
                                    .view(side, side),
                            state.buffer(BASIS).narrow(0, offset, side * side).view(side, side)));
                    offset += side * side;
                }
            }
            return sides;
        }

        @Override
        public Granularity granularity() {
            return Granularity.TENSOR;
        }

        @Override
        protected void update(List<ParameterState> states, double learningRate, double gradientScale) {
            TensorWise.step(states, state -> {
                Tensor gradient = state.fp32Gradient(gradientScale);
                List<Side> sides = sides(state);
                long t = state.step() - 1;
                if (t > 0) {
                    step(state, gradient, sides, t, learningRate * state.learningRateFactor());
                }
                sides.forEach(side -> learn(state, side, gradient, t));
            });
        }

        private void learn(ParameterState state, Side side, Tensor gradient, long t) {
            boolean columns = gradient.dim() == 2 && side.dim() == 1 && gradient.isContiguous();
            Linalg.addGram_(
                    side.statistics(),
                    columns ? gradient : unfolded(gradient, side.dim()).contiguous(),
                    columns ? Linalg.GramOf.COLUMNS : Linalg.GramOf.ROWS,
                    statisticsKept,
                    1 - statisticsKept);
            if (t == 0) {
                initialise(state, side);
            } else if (t % config.preconditionFrequency() == 0) {
                refresh(state, side);
            }
        }

        private void step(ParameterState state, Tensor gradient, List<Side> sides, long t, double rate) {
            Tensor turned = gradient;
            for (Side side : sides) {
                turned = times(turned, side.dim(), side.basis());
            }
            Tensor update = AdamStep.direction(
                    settings, state.buffer(EXP_AVG), state.buffer(EXP_AVG_SQ), turned.contiguous(), t);
            Tensor weight = state.weight();
            double keep = 1 - rate * state.weightDecay();
            for (Side side : sides) {
                if (weight.dim() == 2 && side == sides.getLast()) {
                    addProduct(weight, update, side, keep, -rate);
                    state.writeBack();
                    return;
                }
                update = times(update, side.dim(), side.basis().t());
            }
            if (keep != 1) {
                weight.mul_(keep);
            }
            weight.add_(update, -rate);
            state.writeBack();
        }

        /** The last product of a matrix's update goes straight into the weight. */
        private static void addProduct(Tensor weight, Tensor update, Side side, double keep, double factor) {
            Tensor left = side.dim() == 0 ? side.basis() : update;
            Tensor right = side.dim() == 0 ? update : side.basis().t();
            weight.unsqueeze(0).baddbmm_(left.unsqueeze(0), right.unsqueeze(0), keep, factor);
        }

        /** Every vector along a dimension, as a row, times a matrix. */
        private static Tensor times(Tensor x, int dim, Tensor matrix) {
            if (x.dim() == 2) {
                return dim == 0 ? matrix.t().matmul(x) : x.matmul(matrix);
            }
            int last = x.dim() - 1;
            return x.transpose(dim, last).matmul(matrix).transpose(dim, last);
        }

        /** The matrix [n, rest] whose rows run along a dimension. */
        private static Tensor unfolded(Tensor x, int dim) {
            return x.transpose(0, dim).reshape(x.size(dim), -1);
        }

        private static void initialise(ParameterState state, Side side) {
            Tensor vectors = Decomposition.of(
                    () -> Linalg.symmetricEigen(side.statistics().to(DType.FP64))
                            .vectors(),
                    "optim soap: the preconditioner of parameter '%s', dimension %d, has no eigenvalues",
                    state.parameter().name(),
                    side.dim());
            // The largest eigenvalue first, as refreshes order them.
            side.basis().copy_(vectors.flip(1));
        }

        /** One step of the power iteration, orthogonalised, in fp64: small eigenvalues would drown in fp32's rounding. */
        private static void refresh(ParameterState state, Side side) {
            Tensor lower = side.statistics().to(DType.FP64).tril(0);
            Tensor statistics = lower.add(lower.tril(-1).t());
            Tensor basis = side.basis().to(DType.FP64);
            Tensor product = statistics.matmul(basis);
            Tensor order = basis.mul(product).sum(false, 0).sort(0, true).indices();
            Tensor second = state.buffer(EXP_AVG_SQ);
            second.copy_(second.indexSelect(side.dim(), order));
            Tensor first = state.buffer(EXP_AVG);
            Tensor back = times(first, side.dim(), side.basis().t());
            side.basis().copy_(Linalg.orthonormal(product.indexSelect(1, order)));
            first.copy_(times(back, side.dim(), side.basis()));
        }
    }
}
