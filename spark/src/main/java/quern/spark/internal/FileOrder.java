package quern.spark.internal;

import org.apache.spark.Partitioner;

/**
 * Documents have places: the number of their file in the plan, then their number in it. So places ascend as the corpus does
 * on one machine, though no task knows how many documents others read. A partition holds a run of files; records whose first
 * number is a place go to the partition of that document.
 */
public final class FileOrder extends Partitioner {
    private static final long serialVersionUID = 1L;
    private static final int DOCUMENT_BITS = 40;

    private final int files;
    private final int partitions;

    /** So many files, dealt to at most so many partitions. */
    public FileOrder(int files, int partitions) {
        this.files = files;
        this.partitions = Math.max(1, Math.min(files, partitions));
    }

    /** A document's place. */
    public static long place(int file, long document) {
        return (long) file << DOCUMENT_BITS | document;
    }

    /** The first file of a partition; that of the one after the last is the number of files. */
    public int firstFile(int partition) {
        return (int) (((long) partition * files + partitions - 1) / partitions);
    }

    @Override
    public int numPartitions() {
        return partitions;
    }

    @Override
    public int getPartition(Object key) {
        long file = ((long[]) key)[0] >>> DOCUMENT_BITS;
        return (int) (file * partitions / files);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof FileOrder order && order.files == files && order.partitions == partitions;
    }

    @Override
    public int hashCode() {
        return 31 * files + partitions;
    }
}
