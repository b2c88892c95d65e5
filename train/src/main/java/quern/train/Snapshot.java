package quern.train;

import java.util.LinkedHashMap;
import java.util.Map;
import quern.models.LanguageModel;
import quern.models.ModelSnapshot;
import quern.models.SaveOptions;
import quern.optim.EvalWeights;
import quern.optim.Optimizer;
import quern.tensor.Autograd;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * Copies of everything a checkpoint holds, taken in one go on the training thread, so that a save that goes on beside
 * training writes the values of this moment.
 *
 * @param model the model's files, with the weights that are evaluated
 * @param optimizer the optimizer's state by name
 * @param state the trainer's numbers
 * @param bytes the bytes of all tensors
 */
record Snapshot(ModelSnapshot model, Map<String, Tensor> optimizer, TrainerState state, long bytes)
        implements AutoCloseable {
    static Snapshot take(LanguageModel model, SaveOptions options, Optimizer optimizer, TrainerState state) {
        Map<String, Tensor> copies = new LinkedHashMap<>();
        long bytes = model.parameterCount() * model.dtype().bytes();
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            for (Map.Entry<String, Tensor> e : optimizer.state().entrySet()) {
                Tensor t = e.getValue().detach().contiguous();
                copies.put(e.getKey(), (t.device().isCuda() ? t.to(Device.CPU) : t.copy()).keep());
                bytes += t.numel() * t.dtype().bytes();
            }
        }
        try (EvalWeights eval = optimizer.evalWeights()) {
            return new Snapshot(model.snapshot(options), copies, state.copy(), bytes);
        }
    }

    @Override
    public void close() {
        model.close();
        optimizer.values().forEach(Tensor::close);
    }
}
