package quern.optim;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import quern.optim.internal.SquareSum;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Clipping of gradients, in this order, each step where it is on:
 *
 * <ol>
 *   <li>by value, as {@code torch.nn.utils.clip_grad_value_}: an element outside [-{@code max_grad_value}, {@code
 *       max_grad_value}] becomes the nearer end;
 *   <li>adaptively, see {@link AdaptiveClipping};
 *   <li>by the global norm, as {@code torch.nn.utils.clip_grad_norm_} with the 2-norm: when the norm of all gradients
 *       taken together exceeds {@code max_grad_norm} they are scaled down to it.
 * </ol>
 *
 * The first two change the gradients in place. Clipping by the norm only reads them, and {@link Optimizer#step} applies
 * the scale on its way. Gradients that are not finite are left as they are found.
 *
 * <p>Squares are summed in double, block by block in a fixed order, so the norm has the same bits whatever the number of
 * threads.
 */
public final class GradientClipping {
    // torch adds this to the norm before dividing, so a norm just at the limit is scaled too.
    private static final double MARGIN = 1e-6;
    private static final double LARGEST_FP16 = 65504;

    private final double maxNorm;
    private final double maxValue;
    private final Optional<AdaptiveClipping> adaptive;

    /**
     * What was measured.
     *
     * @param norm the 2-norm of all gradients, before clipping; not finite when a gradient is not
     * @param scale what the gradients that the parameters hold must be multiplied by
     * @param nonFinite the name of the first parameter whose gradient holds a NaN or an infinity
     */
    public record Measurement(double norm, double scale, Optional<String> nonFinite) {}

    /** The squares of some gradients summed. */
    private record Squares(double sum, Optional<String> nonFinite) {}

    /**
     * Clips to a norm.
     *
     * @param maxNorm the recipe's {@code max_grad_norm}; 0 measures and never clips
     */
    public GradientClipping(double maxNorm) {
        this(maxNorm, 0, Optional.empty());
    }

    /**
     * Clips by value, adaptively and to a norm.
     *
     * @param maxNorm the recipe's {@code max_grad_norm}; 0 never clips
     * @param maxValue the recipe's {@code max_grad_value}; 0 never clips
     * @param adaptive the recipe's {@code agc}
     */
    public GradientClipping(double maxNorm, double maxValue, Optional<AdaptiveClipping> adaptive) {
        this.maxNorm = limit("max_grad_norm", maxNorm);
        this.maxValue = limit("max_grad_value", maxValue);
        this.adaptive = Objects.requireNonNull(adaptive, "adaptive");
    }

    private static double limit(String key, double limit) {
        if (!(limit >= 0 && limit < Double.POSITIVE_INFINITY)) {
            throw QuernException.badInput("%s: found %s, expected a finite number of 0 or more (0 is off)", key, limit);
        }
        return limit;
    }

    /**
     * Measures the gradients of fp32, bf16, fp16 or fp64 that the parameters hold, and clips; one without a gradient adds
     * 0.
     */
    public Measurement measure(List<Parameter> parameters) {
        return measure(parameters, 1);
    }

    /**
     * As above for gradients that are what the parameters hold times {@code gradientScale}: those of a scaled loss. The
     * norm is that of the true gradients, and so are the limits; the scale it gives takes what is held to the clipped
     * ones.
     */
    public Measurement measure(List<Parameter> parameters, double gradientScale) {
        Squares found = squares(parameters);
        double norm = Math.sqrt(found.sum) * gradientScale;
        if (found.nonFinite.isPresent() || !Double.isFinite(norm)) {
            return new Measurement(norm, gradientScale, found.nonFinite);
        }
        double left = norm;
        if (maxValue > 0 || adaptive.isPresent()) {
            if (maxValue > 0) {
                clamp(parameters, maxValue / gradientScale);
            }
            adaptive.ifPresent(clipping -> clipping.clip(parameters, gradientScale));
            left = maxNorm > 0 ? Math.sqrt(squares(parameters).sum) * gradientScale : norm;
        }
        double clip = maxNorm > 0 ? Math.min(1, maxNorm / (left + MARGIN)) : 1;
        return new Measurement(norm, clip * gradientScale, Optional.empty());
    }

    private static void clamp(List<Parameter> parameters, double limit) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter parameter : parameters) {
                Tensor gradient = parameter.grad();
                boolean reachable = gradient.isDefined() && (gradient.dtype() != DType.FP16 || limit < LARGEST_FP16);
                if (reachable) {
                    gradient.clamp_(-limit, limit);
                }
            }
        }
    }

    private static Squares squares(List<Parameter> parameters) {
        List<String> names = new ArrayList<>(parameters.size());
        double[] squares;
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            List<Tensor> gradients = new ArrayList<>(parameters.size());
            for (Parameter parameter : parameters) {
                Tensor gradient = parameter.grad();
                if (gradient.isDefined()) {
                    names.add(parameter.name());
                    gradients.add(gradient);
                }
            }
            squares = SquareSum.of(gradients);
        }
        double sum = 0;
        Optional<String> nonFinite = Optional.empty();
        for (int i = 0; i < squares.length; i++) {
            if (!Double.isFinite(squares[i]) && nonFinite.isEmpty()) {
                nonFinite = Optional.of(names.get(i));
            }
            sum += squares[i];
        }
        return new Squares(sum, nonFinite);
    }
}
