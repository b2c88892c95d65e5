package quern.train;

import java.util.Map;
import java.util.function.LongConsumer;
import quern.models.LanguageModel;
import quern.nn.Network;
import quern.optim.EvalWeights;
import quern.optim.Optimizer;
import quern.recipe.QuernException;

/**
 * How a run is judged by its held-out texts: with the weights that are saved, which may be an average of those trained.
 *
 * @param trained the network with what the objective adds to it
 * @param state the run's numbers, of which the step is read
 */
record RunEvaluation(
        HeldOutTexts heldOut,
        LanguageModel model,
        Network trained,
        Optimizer optimizer,
        Preparation preparation,
        TrainerState state)
        implements Trainer.Evaluation {
    @Override
    public Map<String, Double> measure(LongConsumer batchesDone) {
        long start = System.nanoTime();
        Map<String, Double> metrics;
        try (EvalWeights eval = optimizer.evalWeights()) {
            metrics = heldOut.measure(model, trained, batchesDone);
        }
        double loss = metrics.get(ValidationLoss.METRICS.getFirst());
        if (!Double.isFinite(loss)) {
            return notFinite(loss);
        }
        metrics.put("eval_runtime", (System.nanoTime() - start) / 1e9);
        return metrics;
    }

    @Override
    public long batches() {
        return heldOut.batches(model.network());
    }

    /**
     * No metrics, where fp16 may have been too narrow for the text and training goes on: the fp32 masters are sound, a
     * dynamic precision may widen a segment yet, and a training that can't go on is ended by its own loss. The last
     * evaluation is the run's result, so there it is an error, as it always is with weights of another precision, which
     * have diverged.
     */
    private Map<String, Double> notFinite(double loss) {
        if (!preparation.recipe().precision().scalesLoss()) {
            throw QuernException.refused(
                    "step %d: the validation loss is %s; the last checkpoint stands; train with a lower learning_rate, or with precision: fp32",
                    state.step, loss);
        }
        if (state.step == preparation.maxSteps()) {
            throw QuernException.refused(
                    "step %d: the validation loss of the trained model is %s, beyond the range of fp16; the last checkpoint stands; train with precision: bf16, dynamic or fp32",
                    state.step, loss);
        }
        return Map.of();
    }
}
