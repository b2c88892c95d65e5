package quern.optim;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.optim.internal.SquareSum;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Clipping by the global norm, as {@code torch.nn.utils.clip_grad_norm_} with the 2-norm: when the norm of all gradients
 * taken together exceeds {@code max_grad_norm} they are scaled down to it. The gradients are only read; {@link
 * Optimizer#step} applies the scale on its way.
 *
 * <p>Squares are summed in double, block by block in a fixed order, so the norm has the same bits whatever the number of
 * threads.
 */
public final class GradientClipping {
    // torch adds this to the norm before dividing, so a norm just at the limit is scaled too.
    private static final double MARGIN = 1e-6;

    private final double maxNorm;

    /**
     * What was measured.
     *
     * @param norm the 2-norm of all gradients, before clipping; not finite when a gradient is not
     * @param scale what the gradients that the parameters hold must be multiplied by
     * @param nonFinite the name of the first parameter whose gradient holds a NaN or an infinity
     */
    public record Measurement(double norm, double scale, Optional<String> nonFinite) {}

    /**
     * Clips to a norm.
     *
     * @param maxNorm the recipe's {@code max_grad_norm}; 0 measures and never clips
     */
    public GradientClipping(double maxNorm) {
        if (!(maxNorm >= 0 && maxNorm < Double.POSITIVE_INFINITY)) {
            throw QuernException.badInput(
                    "max_grad_norm: found %s, expected a finite number of 0 or more (0 is off)", maxNorm);
        }
        this.maxNorm = maxNorm;
    }

    /** Measures the gradients of fp32, bf16, fp16 or fp64 that the parameters hold; one without a gradient adds 0. */
    public Measurement measure(List<Parameter> parameters) {
        return measure(parameters, 1);
    }

    /**
     * As above for gradients that are what the parameters hold times {@code gradientScale}: those of a scaled loss. The
     * norm is that of the true gradients; the scale it gives takes what is held to the clipped ones.
     */
    public Measurement measure(List<Parameter> parameters, double gradientScale) {
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
        double norm = Math.sqrt(sum) * gradientScale;
        boolean clips = maxNorm > 0 && Double.isFinite(norm);
        double clip = clips ? Math.min(1, maxNorm / (norm + MARGIN)) : 1;
        return new Measurement(norm, clip * gradientScale, nonFinite);
    }
}
