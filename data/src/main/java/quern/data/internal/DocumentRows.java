package quern.data.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Permutation;
import quern.data.TooLong;

/** A row a document, in another seeded order every epoch. */
public final class DocumentRows implements BatchSource {
    private final WholeDocuments documents;
    private final int rowsPerBatch;
    private final long seed;

    /** Batches of so many documents. */
    public DocumentRows(WholeDocuments documents, int rowsPerBatch, long seed) {
        if (rowsPerBatch < 1) {
            throw new IllegalArgumentException("rowsPerBatch " + rowsPerBatch + " is below 1");
        }
        this.documents = documents;
        this.rowsPerBatch = rowsPerBatch;
        this.seed = seed;
    }

    @Override
    public List<String> notices() {
        return documents.notices();
    }

    @Override
    public Optional<TooLong> tooLong() {
        return Optional.of(documents.tooLong());
    }

    @Override
    public long batchesPerEpoch() {
        return (documents.count() + rowsPerBatch - 1) / rowsPerBatch;
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long first = globalBatchIndex % batchesPerEpoch() * rowsPerBatch;
        int count = (int) Math.min(rowsPerBatch, documents.count() - first);
        Permutation order = new Permutation(documents.count(), Mix.hash(seed, epoch));
        List<long[]> rows = new ArrayList<>(count);
        for (int row = 0; row < count; row++) {
            rows.add(new long[] {order.at(first + row)});
        }
        return documents.batch(rows);
    }
}
