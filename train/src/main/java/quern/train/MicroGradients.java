package quern.train;

import java.util.List;
import quern.optim.GradientClipping;
import quern.tensor.Accumulate;
import quern.tensor.Autograd;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Keeps the gradients of a step's micro-batches apart long enough to measure each, and sums them. Takes the memory of one
 * more set of gradients.
 */
final class MicroGradients implements AutoCloseable {
    private static final GradientClipping NORM = new GradientClipping(0);

    private final List<Parameter> parameters;
    private final Tensor[] sums;

    MicroGradients(List<Parameter> parameters) {
        this.parameters = parameters;
        this.sums = new Tensor[parameters.size()];
    }

    /** The squared norm of the gradients that the parameters hold, times {@code scale} each. */
    static double squaredNorm(List<Parameter> parameters, double scale) {
        double norm = NORM.measure(parameters, scale).norm();
        return norm * norm;
    }

    /** Takes the gradients away from the parameters and adds them to the sums. */
    void take() {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (int i = 0; i < sums.length; i++) {
                Parameter p = parameters.get(i);
                Tensor grad = p.grad();
                if (!grad.isDefined()) {
                    continue;
                }
                if (sums[i] == null) {
                    sums[i] = grad.keep();
                } else {
                    Accumulate.add(sums[i], grad);
                }
                p.clearGrad();
            }
        }
    }

    /** Gives the sums to the parameters as their gradients. */
    void giveBack() {
        for (int i = 0; i < sums.length; i++) {
            if (sums[i] != null) {
                parameters.get(i).value().setGrad(sums[i]);
            }
        }
    }

    @Override
    public void close() {
        for (Tensor sum : sums) {
            if (sum != null) {
                sum.close();
            }
        }
    }
}
