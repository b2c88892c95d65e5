package quern.spark.internal;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;
import scala.Tuple2;

/**
 * What a search for duplicates found: marks on places, sorted as the rows are.
 *
 * @param records a place and what else the verdict needs, with a text
 * @param verdict makes the verdict on a document of its marks
 * @param totals by name
 * @param examples of clusters
 */
record Marks(
        JavaPairRDD<long[], String> records,
        Verdicts verdict,
        Map<String, Long> totals,
        List<Deduplication.Cluster> examples) {
    private static final int EXAMPLES = 10;
    private static final int EXAMPLE_MEMBERS = 5;

    /** Makes a verdict. */
    interface Verdicts extends Serializable {
        /** Of a document that has marks. */
        Verdict of(CorpusDocument document, List<Tuple2<long[], String>> marks);
    }

    /** Dropped documents as (place, kept place), and the clusters they come from as summaries. */
    record Clustered(JavaRDD<long[]> drops, JavaRDD<long[]> clusters) {
        /**
         * Of sorted records (what clusters share in any {@code shared} numbers, rank, place): the first of each cluster is
         * kept.
         */
        static Clustered of(JavaRDD<long[]> sorted, int shared) {
            JavaRDD<long[]> made = Exchange.scan(sorted, () -> new Choice(shared))
                    .persist(org.apache.spark.storage.StorageLevel.MEMORY_AND_DISK());
            return new Clustered(made.filter(r -> r.length == 2), made.filter(r -> r.length > 2));
        }
    }

    /** Drops as pairs; behind those of a cluster its kept place, its size and some of its drops. */
    private static final class Choice implements Exchange.Scan {
        private final int shared;
        private long[] open;
        private long size;
        private final List<Long> some = new ArrayList<>();

        Choice(int shared) {
            this.shared = shared;
        }

        @Override
        public void take(long[] record, List<long[]> out) {
            if (open == null || !java.util.Arrays.equals(open, 0, shared, record, 0, shared)) {
                end(out);
                open = record;
                size = 1;
                return;
            }
            long place = record[shared + 1];
            out.add(new long[] {place, open[shared + 1]});
            size++;
            if (some.size() < EXAMPLE_MEMBERS) {
                some.add(place);
            }
        }

        @Override
        public void end(List<long[]> out) {
            if (size > 1) {
                long[] summary = new long[2 + some.size()];
                summary[0] = open[shared + 1];
                summary[1] = size;
                for (int i = 0; i < some.size(); i++) {
                    summary[2 + i] = some.get(i);
                }
                out.add(summary);
            }
            some.clear();
            size = 0;
        }
    }

    /** The larger first; of equal ones the one that is earlier in the corpus. */
    private static final class BySize implements java.util.Comparator<long[]>, Serializable {
        private static final long serialVersionUID = 1L;

        @Override
        public int compare(long[] a, long[] b) {
            return a[1] != b[1] ? Long.compare(b[1], a[1]) : Long.compare(a[0], b[0]);
        }
    }

    /** Documents dropped for others: finds the ids of those that stay, for the verdicts. */
    static Marks ofClusters(Rows rows, String type, Clustered clustered, Map<String, Long> totals) {
        JavaRDD<long[]> byKept =
                Exchange.sorted(clustered.drops().map(drop -> new long[] {drop[1], drop[0]}), rows.order());
        JavaPairRDD<long[], String> named = rows.documents()
                .zipPartitions(
                        byKept, (documents, kept) -> MergeJoin.ofRecords(documents, Tuple2::_1, kept, Marks::name))
                .mapToPair(pair -> pair);
        List<long[]> largest = clustered.clusters().takeOrdered(EXAMPLES, new BySize());
        Map<String, Long> all = new TreeMap<>(totals);
        all.put("clusters", clustered.clusters().count());
        return new Marks(
                Exchange.sortedTexts(named, rows.order()),
                (document, marks) -> Verdict.drop(type, "as " + marks.getFirst()._2()),
                all,
                examples(rows, largest));
    }

    private static void name(Tuple2<Long, String> row, List<long[]> kept, List<Tuple2<long[], String>> out) {
        if (!kept.isEmpty()) {
            String id = CorpusDocument.fromJson(row._2()).id();
            kept.forEach(pair -> out.add(new Tuple2<>(new long[] {pair[1]}, id)));
        }
    }

    private static List<Deduplication.Cluster> examples(Rows rows, List<long[]> largest) {
        Set<Long> places = new HashSet<>();
        for (long[] summary : largest) {
            for (int i = 0; i < summary.length; i++) {
                if (i != 1) {
                    places.add(summary[i]);
                }
            }
        }
        Map<Long, String> ids = new HashMap<>();
        for (Tuple2<Long, String> row :
                rows.documents().filter(row -> places.contains(row._1())).collect()) {
            ids.put(row._1(), CorpusDocument.fromJson(row._2()).id());
        }
        List<Deduplication.Cluster> clusters = new ArrayList<>();
        for (long[] summary : largest) {
            List<String> dropped = new ArrayList<>();
            for (int i = 2; i < summary.length; i++) {
                dropped.add(ids.get(summary[i]));
            }
            clusters.add(new Deduplication.Cluster(ids.get(summary[0]), dropped, summary[1]));
        }
        return clusters;
    }
}
