package quern.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.optim.Optimizer;
import quern.tensor.Autograd;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Copies of everything a checkpoint holds, taken in one go on the training thread, so that a save that goes on beside
 * training writes the values of this moment.
 *
 * @param weights the parameters' values
 * @param optimizer the optimizer's state by name
 * @param state the trainer's numbers
 */
record Snapshot(Map<Parameter, Tensor> weights, Map<String, Tensor> optimizer, TrainerState state)
        implements AutoCloseable {
    static Snapshot take(List<Parameter> parameters, Optimizer optimizer, TrainerState state) {
        Map<Parameter, Tensor> weights = new LinkedHashMap<>();
        Map<String, Tensor> optimizerState = new LinkedHashMap<>();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            parameters.forEach(p -> weights.put(p, copy(p.value())));
            optimizer.state().forEach((name, t) -> optimizerState.put(name, copy(t)));
        }
        return new Snapshot(weights, optimizerState, state.copy());
    }

    private static Tensor copy(Tensor t) {
        Tensor detached = t.detach().contiguous();
        return (t.device().isCuda() ? detached.to(Device.CPU) : detached.copy()).keep();
    }

    /** The bytes of all tensors. */
    long bytes() {
        return bytes(weights.values()) + bytes(optimizer.values());
    }

    private static long bytes(Iterable<Tensor> tensors) {
        long sum = 0;
        for (Tensor t : tensors) {
            sum += t.numel() * t.dtype().bytes();
        }
        return sum;
    }

    @Override
    public void close() {
        weights.values().forEach(Tensor::close);
        optimizer.values().forEach(Tensor::close);
    }
}
