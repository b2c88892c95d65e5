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
import quern.tensor.StagingBuffers;
import quern.tensor.Tensor;

/**
 * Everything a checkpoint holds: copies of this moment, for a save that goes on beside training, or the live tensors, for
 * one that training waits for.
 *
 * @param model the model's files, with the weights that are evaluated
 * @param optimizer the optimizer's state by name
 * @param memories what a model with memories hands on to its next pass, by name
 * @param state the trainer's numbers
 * @param bytes the bytes of all tensors
 * @param copied whether training may go on before the snapshot is closed
 * @param end what to do when the snapshot was written
 */
record Snapshot(
        ModelSnapshot model,
        Map<String, Tensor> optimizer,
        Map<String, Tensor> memories,
        TrainerState state,
        long bytes,
        boolean copied,
        Runnable end)
        implements AutoCloseable {
    /**
     * Copies everything in one go, while nothing of it changes. The copies take the memory of the weights and of the optimizer's
     * state a second time, for as long as {@code staging} lives; a later snapshot uses it again.
     */
    static Snapshot take(
            LanguageModel model, SaveOptions options, Optimizer optimizer, TrainerState state, StagingBuffers staging) {
        staging.lease();
        boolean done = false;
        try {
            Map<String, Tensor> copies = new LinkedHashMap<>();
            optimizer.state().forEach((name, t) -> copies.put(name, staging.copy("optimizer/" + name, t, t.dtype())));
            Snapshot snapshot;
            try (EvalWeights eval = optimizer.evalWeights()) {
                snapshot = new Snapshot(
                        model.snapshot(options, staging),
                        copies,
                        Map.of(),
                        state.copy(),
                        bytes(model, optimizer),
                        true,
                        staging::release);
            }
            done = true;
            return snapshot;
        } finally {
            if (!done) {
                staging.release();
            }
        }
    }

    /**
     * The live tensors, nothing of which may change until the snapshot is closed; no memory but what is on another device.
     *
     * @throws IllegalStateException where the weights to save are not those that training computes with
     */
    static Snapshot live(LanguageModel model, SaveOptions options, Optimizer optimizer, TrainerState state) {
        if (optimizer.hasEvalWeights()) {
            throw new IllegalStateException("the weights to save take the place of the optimizer's own");
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Runnable end = () -> tensors.values().forEach(Tensor::close);
        boolean done = false;
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            optimizer
                    .state()
                    .forEach((name, t) -> tensors.put(
                            name, t.detach().to(Device.CPU).contiguous().keep()));
            Snapshot snapshot = new Snapshot(
                    model.snapshot(options), tensors, Map.of(), state.copy(), bytes(model, optimizer), false, end);
            done = true;
            return snapshot;
        } finally {
            if (!done) {
                end.run();
            }
        }
    }

    /** The same with these memories, which it closes. */
    Snapshot with(Map<String, Tensor> memories) {
        return new Snapshot(model, optimizer, memories, state, bytes, copied, end);
    }

    /** The bytes of all tensors of a snapshot. */
    static long bytes(LanguageModel model, Optimizer optimizer) {
        long bytes = model.parameterCount() * model.dtype().bytes();
        for (Tensor t : optimizer.state().values()) {
            bytes += t.numel() * t.dtype().bytes();
        }
        return bytes;
    }

    @Override
    public void close() {
        try {
            model.close();
        } finally {
            memories.values().forEach(Tensor::close);
            end.run();
        }
    }
}
