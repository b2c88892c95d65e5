package quern.train;

import java.util.Arrays;
import quern.data.Batch;
import quern.nn.Flow;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/** A batch as the tensors that a model reads; they belong to the open scope. */
final class TokenTensors {
    private TokenTensors() {}

    /**
     * What a model reads and what its loss needs: {@code input_ids} [B, T], {@code targets} and {@code weights} in the
     * shape of the labels, and the batch's other values under their own names. An unpadded batch is one row [1, N] with its
     * documents' borders, {@code cu_seqlens}, on the CPU.
     *
     * @param weight the weight of every counted token's loss
     * @param rowWeight the weight of every row's, where a row as a whole has a label
     */
    static Flow flow(Batch batch, double weight, double rowWeight, Device device) {
        float[] weights = new float[batch.labels().length];
        float[] rowWeights = batch.rowWeights();
        int at = 0;
        for (int row = 0; row < batch.rows(); row++) {
            int end = at + (batch.isUnpadded() ? batch.lengths()[row] : batch.labelColumns());
            for (; at < end; at++) {
                weights[at] = batch.labels()[at] == Batch.NOT_COUNTED ? 0 : (float) (weight * rowWeights[row]);
            }
        }
        Flow flow = unweighted(batch, device)
                .put(
                        "weights",
                        Tensor.of(weights, rows(batch), weights.length / rows(batch))
                                .to(device));
        if (batch.others().containsKey("next_sentence_label")) {
            flow.put(
                    "next_sentence_weights",
                    Tensor.of(rowWeights, batch.rows()).mul(rowWeight).to(device));
        }
        return flow;
    }

    /** As above without weights. */
    static Flow unweighted(Batch batch, Device device) {
        int rows = rows(batch);
        Flow flow = new Flow()
                .put("input_ids", whole(batch.inputIds(), device, rows, batch.inputIds().length / rows))
                .put("targets", whole(batch.labels(), device, rows, batch.labels().length / rows));
        if (batch.isUnpadded()) {
            flow.put("cu_seqlens", borders(batch.documents()));
        }
        batch.others().forEach((name, values) -> {
            if (!name.equals(Batch.ROW_WEIGHTS)) {
                flow.put(name, tensor(values, device));
            }
        });
        return flow;
    }

    /** Rows of the tensors. */
    private static int rows(Batch batch) {
        return batch.isUnpadded() ? 1 : batch.rows();
    }

    private static Tensor borders(int[] documents) {
        long[] borders = new long[documents.length + 1];
        for (int i = 0; i < documents.length; i++) {
            borders[i + 1] = borders[i] + documents[i];
        }
        return Tensor.of(borders, borders.length);
    }

    private static Tensor tensor(Batch.Values values, Device device) {
        long[] shape = Arrays.stream(values.shape()).asLongStream().toArray();
        return switch (values) {
            case Batch.Values.Ints ints -> whole(ints.values(), device, shape);
            case Batch.Values.Floats floats -> Tensor.of(floats.values(), shape).to(device);
        };
    }

    private static Tensor whole(int[] values, Device device, long... shape) {
        return Tensor.of(values, shape).to(DType.INT64).to(device);
    }
}
