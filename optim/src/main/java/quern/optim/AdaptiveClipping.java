package quern.optim;

import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Adaptive gradient clipping: Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization"
 * (arXiv 2102.06171, section 4.1). A unit's gradient Gᵢ may not be longer than a share λ of its weights Wᵢ:
 *
 * <pre>
 * Gᵢ ← Gᵢ · min(1, λ · max(‖Wᵢ‖, ε) / ‖Gᵢ‖)
 * </pre>
 *
 * A unit is what belongs to one index of the first dimension, that of the outputs of a weight matrix or a convolution and of
 * the tokens of an embedding; a tensor of three dimensions is a stack of matrices (experts), of one or none one unit. Norms
 * are taken in fp32, of the parameter's value.
 *
 * @param clipFactor λ
 * @param eps ε, so that weights of 0 can leave 0
 * @param excluded names of parameters that are left alone: the paper's the last layer, which is better unclipped
 */
public record AdaptiveClipping(double clipFactor, double eps, Set<String> excluded) {
    /** Checks the ranges. */
    public AdaptiveClipping {
        if (!(clipFactor > 0 && clipFactor < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("clip_factor: found " + clipFactor + ", expected a number above 0");
        }
        if (!(eps > 0 && eps < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("eps: found " + eps + ", expected a number above 0");
        }
        excluded = Set.copyOf(excluded);
    }

    /**
     * Clips the gradients that the parameters hold, in place.
     *
     * @param gradientScale what is held times this is the true gradient
     */
    void clip(List<Parameter> parameters, double gradientScale) {
        try (Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter parameter : parameters) {
                if (!excluded.contains(parameter.name())) {
                    try (Scope scope = Scope.open()) {
                        clip(parameter, gradientScale);
                    }
                }
            }
        }
    }

    private void clip(Parameter parameter, double gradientScale) {
        Tensor gradient = parameter.grad();
        if (!gradient.isDefined() || gradient.numel() == 0) {
            return;
        }
        Tensor allowed = unitNorms(parameter.value()).clampMin(eps).mul(clipFactor / gradientScale);
        Tensor found = unitNorms(gradient);
        // Where a gradient is 0 the quotient is infinite, and 1 the smaller.
        Tensor factor = allowed.div(found).clampMax(1);
        gradient.mul_(factor);
    }

    /** [U, 1, …] for dimensions behind the first, [E, U, 1] of a stack, else a scalar. */
    private static Tensor unitNorms(Tensor x) {
        Tensor squares = x.to(DType.FP32).square();
        if (x.dim() <= 1) {
            return squares.sum().sqrt();
        }
        int outer = x.dim() == 3 ? 2 : 1;
        return squares.sum(true, LongStream.range(outer, x.dim()).toArray()).sqrt();
    }
}
