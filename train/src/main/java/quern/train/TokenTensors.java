package quern.train;

import quern.data.Batch;
import quern.nn.Flow;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** A batch as the tensors that a language model reads; they belong to the open scope. */
final class TokenTensors {
    private TokenTensors() {}

    /**
     * {@code input_ids}, {@code targets} and {@code weights} [B, T].
     *
     * @param weight the weight of every counted token's loss
     */
    static Flow flow(Batch batch, double weight, Device device) {
        float[] weights = new float[batch.labels().length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = batch.labels()[i] == Batch.NOT_COUNTED ? 0 : (float) weight;
        }
        return ids(batch, device)
                .put("targets", ids(batch.labels(), batch, device))
                .put(
                        "weights",
                        Tensor.of(weights, batch.rows(), batch.columns()).to(device));
    }

    /** {@code input_ids} and {@code targets}. */
    static Flow unweighted(Batch batch, Device device) {
        return ids(batch, device).put("targets", ids(batch.labels(), batch, device));
    }

    private static Flow ids(Batch batch, Device device) {
        return new Flow().put("input_ids", ids(batch.inputIds(), batch, device));
    }

    private static Tensor ids(int[] values, Batch batch, Device device) {
        return Tensor.of(values, batch.rows(), batch.columns()).to(DType.INT64).to(device);
    }
}
