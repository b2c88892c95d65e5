package quern.data.internal;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongFunction;
import quern.data.Batch;
import quern.data.BatchSource;

/**
 * Batches of a text that is another in every epoch. An epoch's text is made when the first of its batches is asked for, and all
 * epochs have the same number of batches: of a longer text some are left out, of a shorter one some come twice.
 */
public final class EpochBatches implements BatchSource {
    private static final int EPOCHS_KEPT = 2;

    private final long batchesPerEpoch;
    private final LongFunction<BatchSource> make;
    private final Map<Long, BatchSource> epochs = new LinkedHashMap<>(4, 0.75f, true);

    /**
     * @param batchesPerEpoch of each epoch
     * @param make the batches of an epoch's text; a function of the epoch's number alone
     */
    public EpochBatches(long batchesPerEpoch, LongFunction<BatchSource> make) {
        this.batchesPerEpoch = batchesPerEpoch;
        this.make = make;
    }

    @Override
    public long batchesPerEpoch() {
        return batchesPerEpoch;
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch;
        BatchSource source = epoch(epoch);
        long own = source.batchesPerEpoch();
        return source.batch(epoch * own + globalBatchIndex % batchesPerEpoch % own);
    }

    /** The batches of an epoch's text. */
    public synchronized BatchSource epoch(long epoch) {
        BatchSource source = epochs.get(epoch);
        if (source == null) {
            source = make.apply(epoch);
            epochs.put(epoch, source);
            if (epochs.size() > EPOCHS_KEPT) {
                epochs.remove(epochs.keySet().iterator().next());
            }
        }
        return source;
    }
}
