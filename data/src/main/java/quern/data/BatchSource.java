package quern.data;

import java.util.List;

/**
 * Batches by number. Batch {@code k} depends on the data, the settings, the seed and {@code k} alone: not on what was
 * read before, by whom, or in how many processes. Any number of threads may ask.
 */
public interface BatchSource {
    /** Batches in which every example occurs once. */
    long batchesPerEpoch();

    /**
     * Batch number {@code globalBatchIndex}, from 0, counted over all epochs. The last one of an epoch may have fewer
     * rows.
     */
    Batch batch(long globalBatchIndex);

    /** What a person should know about how the data was arranged, such as rows cut short; a line each. */
    default List<String> notices() {
        return List.of();
    }
}
