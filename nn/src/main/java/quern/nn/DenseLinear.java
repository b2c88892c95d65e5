package quern.nn;

import java.util.List;
import quern.tensor.Functional;
import quern.tensor.Parameter;
import quern.tensor.Tensor;

/** {@code y = x·Wᵀ + b}, W [out, in], b [out] or absent. */
public final class DenseLinear implements Linear.Form {
    private final Parameter weight;
    private final Parameter bias;

    /** A dense map; {@code bias} may be null. */
    public DenseLinear(Parameter weight, Parameter bias) {
        this.weight = weight;
        this.bias = bias;
    }

    /** W [out, in]. */
    public Parameter weight() {
        return weight;
    }

    /** b [out], or {@code null}. */
    public Parameter bias() {
        return bias;
    }

    @Override
    public long inFeatures() {
        return weight.value().size(1);
    }

    @Override
    public long outFeatures() {
        return weight.value().size(0);
    }

    @Override
    public Tensor forward(Tensor x, Pass pass) {
        return Functional.linear(x, pass.value(weight), bias == null ? null : pass.value(bias));
    }

    @Override
    public Tensor backwardInput(Tensor x, Tensor cotangent) {
        return cotangent.matmul(weight.value());
    }

    @Override
    public void backwardWeight(Tensor x, Tensor cotangent) {
        if (weight.isTrainable()) {
            weight.addGrad(cotangent.t().matmul(x));
        }
        if (bias != null && bias.isTrainable()) {
            bias.addGrad(cotangent.sum(false, 0));
        }
    }

    @Override
    public List<Parameter> parameters() {
        return bias == null ? List.of(weight) : List.of(weight, bias);
    }
}
