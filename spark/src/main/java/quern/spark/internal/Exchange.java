package quern.spark.internal;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.Partitioner;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import scala.Tuple2;

/** Records of 64-bit numbers sent to where they are needed, and sorted there (signed, the first number counts most). */
final class Exchange {
    private Exchange() {}

    /** The order of records. */
    static final class Lexicographic implements Comparator<long[]>, Serializable {
        private static final long serialVersionUID = 1L;

        @Override
        public int compare(long[] a, long[] b) {
            return Arrays.compare(a, b);
        }
    }

    /** Sends records with the same first number to the same partition. */
    static final class ByFirst extends Partitioner {
        private static final long serialVersionUID = 1L;

        private final int partitions;

        ByFirst(int partitions) {
            this.partitions = partitions;
        }

        @Override
        public int numPartitions() {
            return partitions;
        }

        @Override
        public int getPartition(Object key) {
            return (int) Math.unsignedMultiplyHigh(((long[]) key)[0] * 0x9E3779B97F4A7C15L, partitions);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof ByFirst by && by.partitions == partitions;
        }

        @Override
        public int hashCode() {
            return partitions;
        }
    }

    /** Sorted within the partitions that {@code to} names. */
    static JavaRDD<long[]> sorted(JavaRDD<long[]> records, Partitioner to) {
        return records.mapToPair(record -> new Tuple2<>(record, true))
                .repartitionAndSortWithinPartitions(to, new Lexicographic())
                .keys();
    }

    /** As {@link #sorted}, with a text at each record. */
    static JavaPairRDD<long[], String> sortedTexts(JavaPairRDD<long[], String> records, Partitioner to) {
        return records.repartitionAndSortWithinPartitions(to, new Lexicographic());
    }

    /** Sorted records, each once. */
    static JavaRDD<long[]> unique(JavaRDD<long[]> sorted) {
        return sorted.mapPartitions(records -> new Unique(records));
    }

    private static final class Unique implements Iterator<long[]> {
        private final Iterator<long[]> records;
        private long[] next;

        Unique(Iterator<long[]> records) {
            this.records = records;
            this.next = records.hasNext() ? records.next() : null;
        }

        @Override
        public boolean hasNext() {
            return next != null;
        }

        @Override
        public long[] next() {
            if (next == null) {
                throw new NoSuchElementException();
            }
            long[] current = next;
            do {
                next = records.hasNext() ? records.next() : null;
            } while (next != null && Arrays.equals(next, current));
            return current;
        }
    }

    /** Makes records from one record at a time. */
    interface Scan {
        /** The next record in order; adds what it makes to {@code out}. */
        void take(long[] record, List<long[]> out);

        /** There are no more. */
        default void end(List<long[]> out) {}
    }

    /** Runs a scan over each partition of sorted records. */
    static JavaRDD<long[]> scan(JavaRDD<long[]> sorted, ScanFactory factory) {
        return sorted.mapPartitions(records -> new Scanned(records, factory.begin()));
    }

    /** Begins a scan of a partition. */
    interface ScanFactory extends Serializable {
        /** A scan that has seen nothing. */
        Scan begin();
    }

    private static final class Scanned implements Iterator<long[]> {
        private final Iterator<long[]> records;
        private final Scan scan;
        private final List<long[]> made = new ArrayList<>();
        private int at;
        private boolean ended;

        Scanned(Iterator<long[]> records, Scan scan) {
            this.records = records;
            this.scan = scan;
        }

        @Override
        public boolean hasNext() {
            while (at == made.size() && !ended) {
                made.clear();
                at = 0;
                if (records.hasNext()) {
                    scan.take(records.next(), made);
                } else {
                    scan.end(made);
                    ended = true;
                }
            }
            return at < made.size();
        }

        @Override
        public long[] next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            return made.get(at++);
        }
    }
}
