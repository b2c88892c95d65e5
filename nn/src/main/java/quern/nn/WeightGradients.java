package quern.nn;

import java.util.HashMap;
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
    private final VisitMemory memory;
    private final Map<Parameter, Tensor> sums;
    private final Map<Parameter, Tensor> made = new LinkedHashMap<>();

    /** For no parameters. */
    WeightGradients() {
        sums = Map.of();
        memory = VisitMemory.NONE;
    }

    /** For the parameters that are trained, of one device; {@code memory} is where they lie. */
    WeightGradients(List<Parameter> parameters, VisitMemory memory) {
        this.memory = memory;
        sums = accumulators(parameters);
        List<Parameter> wanted =
                parameters.stream().filter(Parameter::isTrainable).toList();
        if (wanted.isEmpty() || !sums.isEmpty()) {
            return;
        }
        List<Tensor> tensors = empty(DType.FP32, wanted);
        for (int i = 0; i < wanted.size(); i++) {
            made.put(wanted.get(i), tensors.get(i).keep());
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

    /** Gives the parameters what was not added in place, in their own dtype where they have no gradient yet. */
    void give() {
        List<Parameter> narrow = made.keySet().stream()
                .filter(p -> p.value().dtype() != DType.FP32 && !p.grad().isDefined())
                .toList();
        Map<Parameter, Tensor> rounded = new HashMap<>();
        if (!narrow.isEmpty()) {
            List<Tensor> tensors = empty(narrow.getFirst().value().dtype(), narrow);
            for (int i = 0; i < narrow.size(); i++) {
                rounded.put(narrow.get(i), tensors.get(i));
            }
        }
        made.forEach((p, gradient) -> {
            Tensor own = rounded.get(p);
            if (own != null) {
                p.value().setGrad(own.copy_(gradient));
            } else if (p.grad().isDefined()) {
                p.addGrad(gradient);
            } else {
                p.value().setGrad(gradient);
            }
        });
    }

    private List<Tensor> empty(DType dtype, List<Parameter> parameters) {
        List<long[]> shapes = parameters.stream().map(p -> p.value().shape()).toList();
        return memory.empty(dtype, parameters.getFirst().value().device(), shapes);
    }

    @Override
    public void close() {
        made.values().forEach(Tensor::close);
    }
}
