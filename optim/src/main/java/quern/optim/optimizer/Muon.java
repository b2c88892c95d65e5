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
import quern.optim.internal.MatrixOptimizer;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;
import quern.tensor.DType;
import quern.tensor.Tensor;

/**
 * Muon, as {@code torch.optim.Muon}: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024). For
 * hidden matrices [A, B], with gradient g, weight p, rate η, weight decay λ, {@code momentum} μ and {@code
 * ns_coefficients} a, b, c:
 *
 * <pre>
 * m ← μm + (1-μ)g
 * X = (1-μ)g + μm with nesterov, else m;   X ← Xᵀ where A > B;   X ← X / max(|X|, eps)
 * S = XXᵀ, X ← aX + (bS + cS²)X            ns_steps times; afterwards X is transposed back
 * p ← (1 - ηλ)p - ηfX
 * </pre>
 *
 * <p>The iteration (Newton and Schulz's, quintic) draws all singular values of X towards 1, to within about 0.3 with the
 * coefficients that are the default. f is max(1, A/B)^½ with {@code adjust_lr_fn: original}, 0.2·max(A, B)^½ with {@code
 * match_rms_adamw}, which makes steps as long as AdamW's (Liu et al., "Muon is Scalable for LLM Training", arXiv
 * 2502.16982), and (A/B)^½ with {@code spectral_unclamped}. With {@code ns_dtype: bf16} X is rounded to bf16 before it is
 * scaled and every product after it, as in torch.
 *
 * <p>A tensor of three dimensions is a stack of matrices, one of more is flattened behind its first. Embedding tables,
 * heads and parameters of fewer than two dimensions take the steps of {@link AdamW} ({@code adam_beta1}, {@code
 * adam_beta2}, {@code adam_epsilon}) at {@code adamw_learning_rate_factor} times the rate: an orthogonal step is longer
 * than one of AdamW, unless {@code match_rms_adamw} makes up for it.
 *
 * <p>Cost, for a matrix whose shorter side is m and longer n: 2m²(2n + m) operations for each of {@code ns_steps}.
 *
 * <p>State: {@code momentum_buffer} (m) of hidden matrices, {@code exp_avg} and {@code exp_avg_sq} of the others.
 */
public final class Muon implements OptimizerTechnique {
    /** How the rate answers to a matrix's shape. */
    public enum AdjustLrFn {
        /** √max(1, rows/columns). */
        ORIGINAL(1),
        /** 0.2·√max(rows, columns). */
        MATCH_RMS_ADAMW(0.2),
        /** √(rows/columns). */
        SPECTRAL_UNCLAMPED(1);

        private final double scale;

        AdjustLrFn(double scale) {
            this.scale = scale;
        }

        private double factor(double rows, double columns) {
            return scale
                    * Math.sqrt(
                            switch (this) {
                                case ORIGINAL -> Math.max(1, rows / columns);
                                case MATCH_RMS_ADAMW -> Math.max(rows, columns);
                                case SPECTRAL_UNCLAMPED -> rows / columns;
                            });
        }
    }

    /** The dtype of the iteration. */
    public enum IterationDType {
        /** 16 bits: fast where the processor multiplies such matrices. */
        BF16(DType.BF16),
        /** 32 bits. */
        FP32(DType.FP32);

        private final DType dtype;

        IterationDType(DType dtype) {
            this.dtype = dtype;
        }
    }

    /**
     * Settings under {@code optim_args}.
     *
     * @param momentum the share of the momentum that is kept a step
     * @param nesterov whether the step looks ahead along the momentum
     * @param nsSteps how often the iteration is repeated
     * @param nsCoefficients its three coefficients
     * @param eps the smallest length that a matrix is divided by
     * @param adjustLrFn how the rate answers to a matrix's shape
     * @param nsDtype the dtype of the iteration
     * @param adamwLearningRateFactor what the rate is multiplied by for parameters that take AdamW's steps; absent: 1
     *     with {@code match_rms_adamw}, else 0.1
     */
    public record Config(
            @Doc("Share of the momentum that is kept a step.")
            @Default("0.95")
            @Range(min = 0, max = 1, maxExclusive = true)
            double momentum,

            @Doc("Step along the gradient and the momentum together.") @Default("true")
            boolean nesterov,

            @Doc("Repetitions of the iteration that makes steps orthogonal.") @Default("5") @Range(min = 1, max = 99)
            int nsSteps,

            @Doc("The three coefficients of the iteration.") @Default("[3.4445, -4.7750, 2.0315]")
            List<Double> nsCoefficients,

            @Doc("The smallest length that a matrix is divided by.") @Default("1e-7") @Range(min = 1e-30)
            double eps,

            @Doc("How the rate answers to a matrix's shape: original, match_rms_adamw or spectral_unclamped.")
            @Default("original")
            AdjustLrFn adjustLrFn,

            @Doc("The arithmetic of the iteration: bf16 or fp32.") @Default("bf16")
            IterationDType nsDtype,

            @Doc(
                    "What the rate is multiplied by for embeddings, heads and vectors, which take AdamW's steps; left out, 1 with match_rms_adamw and else 0.1.")
            @Range(min = 0)
            Optional<Double> adamwLearningRateFactor) {
        /** Refuses what is no polynomial, and what does nothing. */
        public Config {
            nsCoefficients = List.copyOf(nsCoefficients);
            if (nsCoefficients.size() != 3) {
                throw new IllegalArgumentException("ns_coefficients: expected three numbers, found " + nsCoefficients);
            }
        }

        private double adamFactor() {
            return adamwLearningRateFactor.orElse(adjustLrFn == AdjustLrFn.MATCH_RMS_ADAMW ? 1 : 0.1);
        }
    }

    @Override
    public String id() {
        return "muon";
    }

    @Override
    public String summary() {
        return "Muon: momentum made orthogonal for hidden matrices, AdamW for the rest";
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
        return new Orthogonalised(groups, settings, (Config) config);
    }

    private static final class Orthogonalised extends MatrixOptimizer {
        private static final int MOMENTUM = FIRST_BUFFER;

        private final Config config;

        Orthogonalised(List<ParameterGroup> groups, OptimizerSettings settings, Config config) {
            super(
                    groups,
                    settings,
                    Orthogonalised::isOrthogonalised,
                    config.adamFactor(),
                    List.of(StateBuffer.like("momentum_buffer", Orthogonalised::isOrthogonalised)));
            this.config = config;
        }

        private static boolean isOrthogonalised(ParameterState state) {
            return state.role() == ParameterRole.HIDDEN_MATRIX && state.numel() > 0;
        }

        @Override
        protected void step(ParameterState state, Tensor gradients, Tensor weights, double keep, double rate) {
            double kept = config.momentum();
            Tensor momentum = state.buffer(MOMENTUM);
            Tensor gradient = gradients.reshape(momentum.shape());
            momentum.mul_(kept).add_(gradient, 1 - kept);
            Tensor step = config.nesterov() ? momentum.mul(kept).add_(gradient, 1 - kept) : momentum;
            Tensor matrices = matrices(step);
            double factor = config.adjustLrFn().factor(matrices.size(1), matrices.size(2));
            if (keep != 1) {
                weights.mul_(keep);
            }
            weights.add_(orthogonal(matrices).to(DType.FP32), -rate * factor);
        }

        /** The iteration, on a stack of matrices. */
        private Tensor orthogonal(Tensor matrices) {
            boolean tall = matrices.size(1) > matrices.size(2);
            // In one memory order whatever the weight's is, so that products round alike.
            Tensor x = (tall ? matrices.transpose(1, 2) : matrices).contiguous().to(config.nsDtype().dtype);
            // The length is summed in fp32 and rounded to the iteration's dtype.
            Tensor length = x.to(DType.FP32).square().sum(true, 1, 2).sqrt().to(x.dtype());
            x = x.div(length.clampMin(config.eps()));
            double a = config.nsCoefficients().get(0);
            double b = config.nsCoefficients().get(1);
            double c = config.nsCoefficients().get(2);
            for (int i = 0; i < config.nsSteps(); i++) {
                Tensor gram = x.bmm(x.transpose(1, 2));
                Tensor polynomial = gram.baddbmm(gram, gram, b, c);
                x = x.baddbmm(polynomial, x, a, 1);
            }
            return tall ? x.transpose(1, 2) : x;
        }
    }
}
