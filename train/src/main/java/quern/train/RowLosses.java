package quern.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.data.Batch;
import quern.data.Tokenizer;
import quern.data.order.OrderedBatches.RowLoss;
import quern.models.LanguageModel;
import quern.nn.Pass;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/**
 * The losses of a step's rows, each token's negative log-probability without what regularization adds, and what of each lies
 * above the loss of a reference model.
 */
final class RowLosses implements AutoCloseable {
    private final Optional<LanguageModel> reference;
    private final Device device;
    private final List<RowLoss> rows = new ArrayList<>();

    private RowLosses(Optional<LanguageModel> reference, Device device) {
        this.reference = reference;
        this.device = device;
    }

    /**
     * Loads the reference model, where there is one.
     *
     * @param tokenizer that of the training, which the reference must share
     */
    static RowLosses of(Optional<Path> reference, Tokenizer tokenizer, Device device) {
        return new RowLosses(reference.map(named -> load(named, tokenizer, device)), device);
    }

    private static LanguageModel load(Path named, Tokenizer tokenizer, Device device) {
        ModelFolder folder = ModelFolder.find(named);
        LanguageModel model = folder.model(DType.FP32, device);
        boolean done = false;
        try {
            if (!folder.tokenizer(model.spec().config()).fingerprint().equals(tokenizer.fingerprint())) {
                throw QuernException.badInput(
                        "data.mixing: reference: %s has another tokenizer than this training, so their losses can't be compared; set tokenizer: {path: %s}",
                        named, named);
            }
            done = true;
            return model;
        } finally {
            if (!done) {
                model.close();
            }
        }
    }

    /** Forgets the rows so far: a step begins. */
    void begin() {
        rows.clear();
    }

    /** The rows since {@link #begin}. */
    List<RowLoss> rows() {
        return List.copyOf(rows);
    }

    /** A pass without a token that counts, which no model sees. */
    void addUncounted(Batch batch) {
        for (int row = 0; row < batch.rows(); row++) {
            rows.add(new RowLoss(0, reference.isPresent() ? 0 : Double.NaN, 0));
        }
    }

    /** Adds the rows of a pass by the log-probabilities of its labels. */
    void add(Batch batch, Tensor logprobs) {
        float[] of = logprobs.toFloats();
        float[] than = null;
        if (reference.isPresent()) {
            try (Scope scope = Scope.open()) {
                than = reference
                        .get()
                        .network()
                        .infer(TokenTensors.unweighted(batch, device), Pass.evaluation())
                        .get("logprobs")
                        .toFloats();
            }
        }
        int[] labels = batch.labels();
        int at = 0;
        for (int row = 0; row < batch.rows(); row++) {
            int end = at + (batch.isUnpadded() ? batch.lengths()[row] : batch.labelColumns());
            double loss = 0;
            double excess = than == null ? Double.NaN : 0;
            long tokens = 0;
            for (; at < end; at++) {
                if (labels[at] != Batch.NOT_COUNTED) {
                    loss -= of[at];
                    tokens++;
                    if (than != null) {
                        excess += Math.max(0, than[at] - of[at]);
                    }
                }
            }
            rows.add(new RowLoss(loss, excess, tokens));
        }
    }

    @Override
    public void close() {
        reference.ifPresent(LanguageModel::close);
    }
}
