package quern.data;

import java.util.List;
import java.util.Optional;

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

    /** Texts that it reads beside the one that its objective was given: a run that goes on must find these too. */
    default List<TokenStream> texts() {
        return List.of();
    }

    /** What became of documents that are longer than a row; empty where rows hold no whole documents. */
    default Optional<TooLong> tooLong() {
        return Optional.empty();
    }

    /** What a person should know about how the data was arranged, such as rows cut short; a line each. */
    default List<String> notices() {
        return List.of();
    }
}
