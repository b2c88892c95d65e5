package quern.train;

import java.util.List;
import java.util.Map;
import quern.data.Batch;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.Regularization;
import quern.nn.Tape;
import quern.optim.GradientClipping;
import quern.optim.Optimizer;
import quern.recipe.QuernException;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStreams;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * One optimizer step: forward and backward over its micro-batches, the norm, clipping, the update. Every counted token of
 * the step weighs the same, however the step is split. A loss or gradient that is not finite stops the training before
 * any weight changes.
 */
final class TrainingStep {
    private final Network network;
    private final Device device;
    private final Optimizer optimizer;
    private final GradientClipping clipping;
    private final Regularization regularization;
    private final RandomStreams random;
    private final List<Parameter> parameters;

    TrainingStep(
            Network network,
            Device device,
            Optimizer optimizer,
            GradientClipping clipping,
            Regularization regularization,
            long seed) {
        this.network = network;
        this.device = device;
        this.optimizer = optimizer;
        this.clipping = clipping;
        this.regularization = regularization;
        this.random = new RandomStreams(seed);
        this.parameters =
                network.parameters().stream().filter(Parameter::isTrainable).toList();
    }

    /**
     * Takes step number {@code step}, counted from 0.
     *
     * @param batches the step's micro-batches
     */
    StepResult take(long step, List<Batch> batches, double learningRate) {
        long start = System.nanoTime();
        long counted = batches.stream().mapToLong(Batch::countedTokens).sum();
        if (counted == 0) {
            throw QuernException.badInput(
                    "step %d: none of the %d tokens of its batch counts, so there is nothing to learn; check the data's max_length and packing",
                    step + 1, batches.stream().mapToLong(Batch::realTokens).sum());
        }
        long rows = batches.stream().mapToLong(Batch::rows).sum();
        boolean accumulates = batches.size() > 1;
        prepareGradients(accumulates);
        double loss = 0;
        for (int i = 0; i < batches.size(); i++) {
            Batch batch = batches.get(i);
            if (batch.countedTokens() > 0) {
                loss += forwardBackward(step, i, batch, 1.0 / counted, 1.0 / rows);
            }
        }
        GradientClipping.Measurement measured = clipping.measure(parameters);
        if (measured.nonFinite().isPresent()) {
            throw nonFinite(step, "the gradient of '" + measured.nonFinite().get() + "'", learningRate);
        }
        if (!Double.isFinite(measured.norm())) {
            throw nonFinite(step, "the norm of all gradients", learningRate);
        }
        optimizer.step(learningRate, measured.scale());
        long tokens = batches.stream().mapToLong(Batch::realTokens).sum();
        return new StepResult(loss, measured.norm(), learningRate, tokens, counted, (System.nanoTime() - start) / 1e9);
    }

    private void prepareGradients(boolean accumulates) {
        for (Parameter p : parameters) {
            if (accumulates && p.value().dtype() != DType.FP32) {
                p.accumulateInFp32();
            } else {
                p.clearGrad();
            }
        }
    }

    private double forwardBackward(long step, int micro, Batch batch, double weight, double rowWeight) {
        Pass pass = Pass.training(random.seed("dropout", step, micro)).with(regularization);
        try (Scope scope = Scope.open();
                Tape tape = network.forward(TokenTensors.flow(batch, weight, rowWeight, device), pass)) {
            double loss = tape.get("loss").item();
            if (!Double.isFinite(loss)) {
                String where = tape.firstNonFinite()
                        .map(w -> "first in " + w)
                        .orElse("every inner tensor is finite, the loss alone overflowed");
                throw QuernException.refused(
                        "step %d: the loss is %s (%s); no weight was changed and the last checkpoint stands; lower learning_rate, or resume with precision: fp32",
                        step + 1, loss, where);
            }
            tape.backward(Map.of("loss", Tensor.full(1, DType.FP32, device, 1)));
            return loss;
        }
    }

    /**
     * Refuses weights that are not finite, which an update with a huge rate leaves and the next step would find: they must
     * not be saved.
     *
     * @param step steps taken
     */
    void requireFiniteWeights(long step) {
        try (Autograd.Mode mode = Autograd.noGrad()) {
            for (Parameter p : parameters) {
                try (Scope scope = Scope.open()) {
                    if (p.value().isFinite().logicalNot().sum().item() > 0) {
                        throw QuernException.refused(
                                "step %d: the update left '%s' not finite; this step is not saved and the last checkpoint stands; lower learning_rate or set max_grad_norm",
                                step, p.name());
                    }
                }
            }
        }
    }

    private static QuernException nonFinite(long step, String what, double learningRate) {
        return QuernException.refused(
                "step %d: %s is not finite at learning rate %s; no weight was changed and the last checkpoint stands; lower learning_rate or set max_grad_norm",
                step + 1, what, learningRate);
    }
}
