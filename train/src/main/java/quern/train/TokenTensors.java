package quern.train;

import java.util.Arrays;
import java.util.Optional;
import quern.data.Batch;
import quern.data.SharedPrefixes;
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
        return flow(batch, Optional.empty(), weight, rowWeight, device);
    }

    /**
     * As above, where given with what documents share standing there once: {@code cu_seqlens} says then what each piece goes on
     * from.
     *
     * @param shared the pieces of this batch
     */
    static Flow flow(Batch batch, Optional<SharedPrefixes> shared, double weight, double rowWeight, Device device) {
        float[] weights = new float[batch.labels().length];
        float[] rowWeights = batch.rowWeights();
        int at = 0;
        for (int row = 0; row < batch.rows(); row++) {
            int end = at + (batch.isUnpadded() ? batch.lengths()[row] : batch.labelColumns());
            for (; at < end; at++) {
                weights[at] = batch.labels()[at] == Batch.NOT_COUNTED ? 0 : (float) (weight * rowWeights[row]);
            }
        }
        if (shared.isPresent()) {
            return ofPieces(batch, shared.get(), weights, device);
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

    private static Flow ofPieces(Batch batch, SharedPrefixes shared, float[] weights, Device device) {
        int n = shared.tokens().length;
        float[] kept = new float[n];
        for (int i = 0; i < n; i++) {
            kept[i] = weights[shared.tokens()[i]];
        }
        int[] starts = shared.starts();
        long[] borders = new long[2 * starts.length];
        for (int i = 0; i < starts.length; i++) {
            borders[i] = starts[i];
            borders[starts.length + i] = i < shared.before().length ? shared.before()[i] : -1;
        }
        return new Flow()
                .put("input_ids", whole(shared.take(batch.inputIds()), device, 1, n))
                .put("targets", whole(shared.take(batch.labels()), device, 1, n))
                .put("weights", Tensor.of(kept, 1, n).to(device))
                .put("cu_seqlens", Tensor.of(borders, 2, starts.length));
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
