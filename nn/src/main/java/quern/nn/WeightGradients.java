package quern.nn;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.tensor.DType;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/**
 * Where a hand-written backward writes the gradients of its parameters, in fp32: into those of earlier micro-batches, where all
 * of them can be added to in place, so that no memory is needed for this one's; else into new ones.
 */
final class WeightGradients implements AutoCloseable {
    private final Map<Parameter, Tensor> sums;
    private final Map<Parameter, Tensor> made = new LinkedHashMap<>();

    /** For the parameters that are trained, of one device. */
    WeightGradients(List<Parameter> parameters) {
        sums = accumulators(parameters);
        for (Parameter p : parameters) {
            if (p.isTrainable() && sums.isEmpty()) {
                made.put(
                        p,
                        Tensor.empty(DType.FP32, p.value().device(), p.value().shape())
                                .keep());
            }
        }
    }

    private static Map<Parameter, Tensor> accumulators(List<Parameter> parameters) {
        Map<Parameter, Tensor> sums = new LinkedHashMap<>();
        for (Parameter p : parameters) {
            if (p.isTrainable()) {
                Tensor sum = p.grad();
                if (!sum.isDefined() || sum.dtype() != DType.FP32 || !sum.isContiguous()) {
                    return Map.of();
                }
                sums.put(p, sum);
            }
        }
        return sums;
    }

    /** Whether the backward adds to what is there; otherwise it overwrites. */
    boolean areAdded() {
        return !sums.isEmpty();
    }

    /** Where a parameter's go; {@code null} when they are not wanted. */
    Tensor of(Parameter p) {
        return areAdded() ? sums.get(p) : made.get(p);
    }

    /** Gives the parameters what was not added in place. */
    void give() {
        made.forEach((p, gradient) -> {
            if (!p.grad().isDefined() && p.value().dtype() == gradient.dtype()) {
                p.value().setGrad(gradient);
            } else {
                p.addGrad(gradient);
            }
        });
    }

    @Override
    public void close() {
        made.values().forEach(Tensor::close);
    }
}
