package quern.data;

import java.util.function.LongUnaryOperator;

/**
 * Rows in batches, in another seeded order every epoch; an epoch's last batch may be shorter.
 *
 * @param rows rows of an epoch
 * @param rowsPerBatch rows of a batch
 * @param key chooses an epoch's order
 */
public record EpochOrder(long rows, int rowsPerBatch, LongUnaryOperator key) {
    /** Batches of an epoch. */
    public long batchesPerEpoch() {
        return Math.ceilDiv(rows, (long) rowsPerBatch);
    }

    /** The epoch of a batch. */
    public long epoch(long globalBatchIndex) {
        return globalBatchIndex / batchesPerEpoch();
    }

    /** How many rows of its epoch come before a batch. */
    public long first(long globalBatchIndex) {
        return globalBatchIndex % batchesPerEpoch() * rowsPerBatch;
    }

    /** The numbers of a batch's rows. */
    public int[] batch(long globalBatchIndex) {
        Permutation order = new Permutation(rows, key.applyAsLong(epoch(globalBatchIndex)));
        long first = first(globalBatchIndex);
        int[] numbers = new int[(int) Math.min(rowsPerBatch, rows - first)];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = Math.toIntExact(order.at(first + i));
        }
        return numbers;
    }
}
