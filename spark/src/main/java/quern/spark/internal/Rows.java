package quern.spark.internal;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.storage.StorageLevel;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.StageCounter;
import quern.data.corpus.StageReport;
import scala.Tuple2;
import tools.jackson.databind.json.JsonMapper;

/**
 * The documents of a corpus after some steps, kept by Spark: by place, in ascending order in each partition, as lines of
 * JSON. Behind them come the counts of that partition's steps, at negative places, so that a task that ran twice counts once.
 *
 * @param all documents and counts
 * @param order which documents lie in which partition
 */
record Rows(JavaPairRDD<Long, String> all, FileOrder order) {
    /** A document and where it is in the corpus. */
    record Placed(long place, CorpusDocument document) implements Serializable {
        private static final long serialVersionUID = 1L;

        static Placed of(Tuple2<Long, String> row) {
            return new Placed(row._1(), CorpusDocument.fromJson(row._2()));
        }

        Tuple2<Long, String> row() {
            return new Tuple2<>(place, document.toJson());
        }
    }

    static Rows kept(JavaPairRDD<Long, String> all, FileOrder order) {
        return new Rows(all.persist(StorageLevel.MEMORY_AND_DISK()), order);
    }

    /** The documents alone. */
    JavaPairRDD<Long, String> documents() {
        return all.filter(row -> row._1() >= 0);
    }

    static Tuple2<Long, String> count(int step, StageReport report) {
        return new Tuple2<>(-1L - step, JsonMapper.shared().writeValueAsString(report));
    }

    /** The counts of these steps over the whole corpus; makes the rows where they are not made yet. */
    List<StageReport> reports(String first, List<Portable.Filter> filters, int examples) {
        List<StageCounter> totals = new ArrayList<>();
        List<String> types = new ArrayList<>(List.of(first));
        totals.add(new StageCounter(examples));
        for (Portable.Filter filter : filters) {
            StageCounter total = new StageCounter(examples);
            filter.quarantined(total.quarantine());
            types.add(filter.id());
            totals.add(total);
        }
        // In the order of partitions, which is that of the corpus.
        for (Tuple2<Long, String> row : all.filter(row -> row._1() < 0).collect()) {
            totals.get((int) (-1 - row._1())).add(JsonMapper.shared().readValue(row._2(), StageReport.class));
        }
        List<StageReport> reports = new ArrayList<>();
        for (int step = 0; step < types.size(); step++) {
            reports.add(totals.get(step).report(types.get(step)));
        }
        return reports;
    }

    void forget() {
        all.unpersist(false);
    }
}
