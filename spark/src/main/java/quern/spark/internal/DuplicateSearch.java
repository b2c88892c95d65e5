package quern.spark.internal;

import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.storage.StorageLevel;
import quern.data.dedup.CandidatePairs;
import quern.data.dedup.ExactDedup;
import quern.data.dedup.Keep;
import quern.data.dedup.Lines;
import quern.data.dedup.MinHashLsh;
import quern.data.dedup.Similarity;
import quern.data.dedup.Sketch;
import quern.data.dedup.TextHash;
import scala.Tuple2;

/** The removals of duplicates with their cores from {@code data} and Spark's shuffles between them. */
final class DuplicateSearch {
    private final Rows rows;
    private final int partitions;

    /** Searches rows; {@code partitions} is how finely records are spread that have no place. */
    DuplicateSearch(Rows rows, int partitions) {
        this.rows = rows;
        this.partitions = partitions;
    }

    private Exchange.ByFirst byFirst() {
        return new Exchange.ByFirst(partitions);
    }

    private static <R> Iterator<R> each(
            Iterator<Tuple2<Long, String>> documents, MergeJoin.Meet<Rows.Placed, long[], R> make) {
        return MergeJoin.ofRecords(
                documents,
                Tuple2::_1,
                List.<long[]>of().iterator(),
                (row, none, out) -> make.take(Rows.Placed.of(row), none, out));
    }

    /** Documents or lines with the same hash. */
    Marks exact(String type, ExactDedup.Config config) {
        return config.unit() == ExactDedup.Unit.DOCUMENTS ? documents(type, config) : lines(type, config);
    }

    private Marks documents(String type, ExactDedup.Config config) {
        var folding = config.folding();
        Keep keep = config.keep();
        JavaRDD<long[]> hashes = rows.documents().mapPartitions(documents -> {
            TextHash.Reader reader = new TextHash.Reader(folding);
            return each(documents, (placed, none, out) -> {
                String text = placed.document().text();
                TextHash hash = reader.of(text);
                out.add(new long[] {hash.high(), hash.low(), keep.rank(text), placed.place()});
            });
        });
        return Marks.ofClusters(rows, type, Marks.Clustered.of(Exchange.sorted(hashes, byFirst()), 2), Map.of());
    }

    private Marks lines(String type, ExactDedup.Config config) {
        Lines lines = config.lines();
        JavaRDD<long[]> hashes = rows.documents()
                .mapPartitions(documents -> {
                    Lines.Reader reader = lines.reader();
                    return DuplicateSearch.<long[]>each(documents, (placed, none, out) -> {
                        for (Lines.Line line : reader.of(placed.document().text())) {
                            out.add(new long[] {line.hash().high(), line.hash().low(), placed.place(), line.number()});
                        }
                    });
                })
                .persist(StorageLevel.MEMORY_AND_DISK());
        JavaRDD<long[]> repeated = Exchange.scan(Exchange.sorted(hashes, byFirst()), Repeated::new)
                .persist(StorageLevel.MEMORY_AND_DISK());
        Map<String, Long> totals = Map.of("lines_compared", hashes.count(), "lines_removed", repeated.count());
        return new Marks(
                Exchange.sortedTexts(repeated.mapToPair(place -> new Tuple2<>(place, "")), rows.order()),
                (document, marks) -> Lines.verdict(
                        type,
                        document,
                        marks.stream().mapToInt(mark -> (int) mark._1()[1]).toArray()),
                totals,
                List.of());
    }

    /** Of records (high, low, place, line) all but the first of each hash. */
    private static final class Repeated implements Exchange.Scan {
        private long[] open;

        @Override
        public void take(long[] record, List<long[]> out) {
            if (open != null && open[0] == record[0] && open[1] == record[1]) {
                out.add(new long[] {record[2], record[3]});
            } else {
                open = record;
            }
        }
    }

    /** What is known of a document: place, rank, identity, keys of bands; and its shingles. */
    private static Tuple2<long[], long[]> sketched(Rows.Placed placed, Sketch.Reader reader, Keep keep) {
        Sketch.Document made = reader.of(placed.document().text());
        long[] keys = made.keys();
        long[] head = new long[4 + keys.length];
        head[0] = placed.place();
        head[1] = keep.rank(placed.document().text());
        head[2] = made.identity().high();
        head[3] = made.identity().low();
        System.arraycopy(keys, 0, head, 4, keys.length);
        return new Tuple2<>(head, made.shingles());
    }

    private static <R> JavaRDD<R> join(
            JavaRDD<Tuple2<long[], long[]>> sketches,
            JavaRDD<long[]> marks,
            MergeJoin.Meet<Tuple2<long[], long[]>, long[], R> meet) {
        return sketches.zipPartitions(
                marks, (documents, marked) -> MergeJoin.ofRecords(documents, s -> s._1()[0], marked, meet));
    }

    /** Documents whose shingles are similar enough. */
    Marks near(String type, MinHashLsh.Config config) {
        Sketch sketch = config.sketch();
        Keep keep = config.keep();
        double threshold = config.threshold();
        JavaRDD<Tuple2<long[], long[]>> sketches = rows.documents()
                .mapPartitions(documents -> {
                    Sketch.Reader reader = sketch.reader();
                    return DuplicateSearch.<Tuple2<long[], long[]>>each(
                            documents, (placed, none, out) -> out.add(sketched(placed, reader, keep)));
                })
                .persist(StorageLevel.MEMORY_AND_DISK());

        // Documents with the same shingles count as the first of them.
        JavaRDD<long[]> identities =
                sketches.filter(s -> s._2().length > 0).map(s -> new long[] {s._1()[2], s._1()[3], s._1()[0]});
        JavaRDD<long[]> identical = Exchange.scan(Exchange.sorted(identities, byFirst()), Identical::new)
                .persist(StorageLevel.MEMORY_AND_DISK());
        JavaRDD<long[]> keys = join(
                sketches,
                Exchange.sorted(identical.map(pair -> new long[] {pair[0]}), rows.order()),
                (s, same, out) -> {
                    for (int band = 4; band < s._1().length && same.isEmpty(); band++) {
                        out.add(new long[] {s._1()[band], s._1()[0]});
                    }
                });
        JavaRDD<long[]> candidates = Exchange.scan(Exchange.unique(Exchange.sorted(keys, byFirst())), Buckets::new);

        // A pair goes to its earlier document, takes that one's shingles along, and goes to the later one.
        JavaRDD<long[]> pairs = Exchange.unique(Exchange.sorted(candidates, rows.order()));
        JavaRDD<long[]> withEarlier = join(
                sketches,
                pairs,
                (s, own, out) -> own.forEach(pair -> {
                    long[] sent = new long[2 + s._2().length];
                    sent[0] = pair[1];
                    sent[1] = pair[0];
                    System.arraycopy(s._2(), 0, sent, 2, s._2().length);
                    out.add(sent);
                }));
        JavaRDD<long[]> compared = DuplicateSearch.<long[]>join(
                        sketches,
                        Exchange.sorted(withEarlier, rows.order()),
                        (s, others, out) -> others.forEach(other -> {
                            long[] earlier = java.util.Arrays.copyOfRange(other, 2, other.length);
                            boolean similar = Similarity.atLeast(earlier, s._2(), threshold);
                            out.add(new long[] {other[0], other[1], similar ? 1 : 0});
                        }))
                .persist(StorageLevel.MEMORY_AND_DISK());
        JavaRDD<long[]> similar = compared.filter(pair -> pair[2] == 1).map(pair -> new long[] {pair[0], pair[1]});

        JavaRDD<long[]> members = Components.of(similar.union(identical), partitions);
        JavaRDD<long[]> roots =
                Exchange.unique(Exchange.sorted(members.map(member -> new long[] {member[1], member[1]}), byFirst()));
        JavaRDD<long[]> ranked = join(
                sketches,
                Exchange.sorted(members.union(roots), rows.order()),
                (s, own, out) -> own.forEach(member -> out.add(new long[] {member[1], s._1()[1], member[0]})));
        Map<String, Long> totals = Map.of(
                "identical", identical.count(),
                "pairs_compared", compared.count(),
                "pairs_similar", similar.count(),
                "bands", (long) sketch.bands().bands(),
                "rows", (long) sketch.bands().rows());
        return Marks.ofClusters(rows, type, Marks.Clustered.of(Exchange.sorted(ranked, byFirst()), 1), totals);
    }

    /** Of records (high, low, place) all but the first of each identity, with the first. */
    private static final class Identical implements Exchange.Scan {
        private long[] open;

        @Override
        public void take(long[] record, List<long[]> out) {
            if (open != null && open[0] == record[0] && open[1] == record[1]) {
                out.add(new long[] {record[2], open[2]});
            } else {
                open = record;
            }
        }
    }

    /** Of records (key, place) the pairs that are compared. */
    private static final class Buckets implements Exchange.Scan {
        private final CandidatePairs bucket = new CandidatePairs();
        private long key;
        private boolean open;

        @Override
        public void take(long[] record, List<long[]> out) {
            if (!open || record[0] != key) {
                bucket.clear();
                key = record[0];
                open = true;
            }
            bucket.add(record[1], (earlier, later) -> out.add(new long[] {earlier, later}));
        }
    }
}
