package quern.optim;

import java.util.LinkedHashMap;
import java.util.Map;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * While this is open, parameters hold the weights to evaluate, sample and save instead of those that training goes on
 * with. Closing it brings the training's weights back, bit for bit; nothing may train until then. It takes the memory of
 * a copy of the weights.
 */
public final class EvalWeights implements AutoCloseable {
    private final Map<Parameter, Tensor> training = new LinkedHashMap<>();

    EvalWeights() {}

    /** Puts a weight, of any dtype, in place of a parameter's. */
    void put(Parameter parameter, Tensor weight) {
        training.put(parameter, parameter.value().detach().copy().keep());
        parameter.value().copy_(weight);
    }

    @Override
    public void close() {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            training.forEach((parameter, weight) -> {
                parameter.value().copy_(weight);
                weight.close();
            });
        }
        training.clear();
    }
}
