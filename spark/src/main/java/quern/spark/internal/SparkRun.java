package quern.spark.internal;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaSparkContext;
import quern.data.corpus.Deduplication;
import quern.data.corpus.DocumentFilter;
import quern.data.corpus.PreparePlan;
import quern.data.corpus.PrepareReport;
import quern.data.corpus.PreparedCorpus;
import quern.data.corpus.StageReport;
import quern.data.corpus.Verdict;
import quern.data.dedup.ExactDedup;
import quern.data.dedup.MinHashLsh;
import quern.recipe.QuernException;
import scala.Tuple2;
import tools.jackson.databind.json.JsonMapper;

/** Runs the steps of a plan: reading and filters in one go, a search for duplicates between such goes. */
public final class SparkRun {
    private static final int PARTITIONS_A_CORE = 4;
    private static final long MEGABYTE = 1_000_000;

    private final JavaSparkContext context;
    private final PreparePlan plan;
    private final int examples;
    private final int partitions;
    private Rows rows;

    /** Runs nothing yet. */
    public SparkRun(JavaSparkContext context, PreparePlan plan) {
        this.context = context;
        this.plan = plan;
        this.examples = plan.recipe().examples();
        this.partitions = Math.max(1, context.defaultParallelism());
    }

    /** Runs all steps; {@code done} takes the report of each in order. */
    public void steps(Consumer<StageReport> done) {
        List<Deduplication> searches = searches();
        int stage = 0;
        List<Portable.Filter> filters = filtersFrom(stage);
        rows = read(filters);
        report("read", filters, List.of(), done);
        stage += filters.size();
        for (Deduplication search : searches) {
            Marks marks = search(search, plan.stages().get(stage).config());
            filters = filtersFrom(stage + 1);
            Rows before = rows;
            rows = judged(search.id(), marks, filters);
            report(search.id(), filters, List.of(marks), done);
            before.forget();
            stage += 1 + filters.size();
        }
    }

    private List<Deduplication> searches() {
        List<Deduplication> searches = new ArrayList<>();
        for (PreparePlan.Stage stage : plan.stages()) {
            if (stage.technique() instanceof Deduplication search) {
                if (!(search instanceof ExactDedup) && !(search instanceof MinHashLsh)) {
                    throw QuernException.badInput(
                            "prepare.stages: '%s' does not run on Spark; run it on one machine, or use exact_dedup or minhash_lsh",
                            search.id());
                }
                searches.add(search);
            }
        }
        return searches;
    }

    private List<Portable.Filter> filtersFrom(int stage) {
        List<Portable.Filter> filters = new ArrayList<>();
        for (int i = stage; i < plan.stages().size(); i++) {
            if (!(plan.stages().get(i).technique() instanceof DocumentFilter filter)) {
                break;
            }
            filters.add(Portable.Filter.of(filter, plan.recipe().stages().get(i)));
        }
        return filters;
    }

    private Rows read(List<Portable.Filter> filters) {
        List<Portable.Source> sources = Portable.Source.of(plan.recipe());
        FileOrder order = new FileOrder(sources.size(), PARTITIONS_A_CORE * partitions);
        int shown = examples;
        JavaPairRDD<Long, String> read = context.parallelize(
                        IntStream.range(0, order.numPartitions()).boxed().toList(), order.numPartitions())
                .mapPartitionsToPair(numbers -> {
                    int partition = numbers.next();
                    Steps.Reading reading = new Steps.Reading(
                            sources, order.firstFile(partition), order.firstFile(partition + 1), shown);
                    return new Steps(reading, filters, shown);
                });
        return Rows.kept(read, order);
    }

    private Marks search(Deduplication technique, Record config) {
        DuplicateSearch search = new DuplicateSearch(rows, PARTITIONS_A_CORE * partitions);
        return technique instanceof ExactDedup
                ? search.exact(technique.id(), (ExactDedup.Config) config)
                : search.near(technique.id(), (MinHashLsh.Config) config);
    }

    private Rows judged(String type, Marks marks, List<Portable.Filter> filters) {
        Marks.Verdicts verdicts = marks.verdict();
        int shown = examples;
        MergeJoin.Meet<Tuple2<Long, String>, Tuple2<long[], String>, Steps.Judging.Judged> meet = (row, own, out) -> {
            Rows.Placed placed = Rows.Placed.of(row);
            out.add(new Steps.Judging.Judged(
                    placed, own.isEmpty() ? Verdict.KEEP : verdicts.of(placed.document(), own)));
        };
        JavaPairRDD<Long, String> judged = rows.documents()
                .zipPartitions(marks.records(), (documents, found) -> {
                    Iterator<Steps.Judging.Judged> met =
                            new MergeJoin<>(documents, Tuple2::_1, found, mark -> mark._1()[0], meet);
                    return new Steps(new Steps.Judging(type, met), filters, shown);
                })
                .mapToPair(row -> row);
        return Rows.kept(judged, rows.order());
    }

    private void report(String first, List<Portable.Filter> filters, List<Marks> marks, Consumer<StageReport> done) {
        long start = System.nanoTime();
        List<StageReport> reports = rows.reports(first, filters, examples);
        double seconds = (System.nanoTime() - start) / 1e9;
        for (int i = 0; i < reports.size(); i++) {
            boolean search = i == 0 && !marks.isEmpty();
            StageReport report = reports.get(i);
            done.accept(new StageReport(
                    report.type(),
                    report.documentsIn(),
                    report.documentsOut(),
                    report.charactersIn(),
                    report.charactersOut(),
                    report.bytesIn(),
                    report.bytesOut(),
                    report.dropped(),
                    report.changed(),
                    report.examples(),
                    report.quarantined(),
                    report.quarantine(),
                    report.lengths(),
                    report.languages(),
                    search ? new TreeMap<>(marks.getFirst().totals()) : report.totals(),
                    search ? marks.getFirst().examples() : report.clusters(),
                    // Steps of one go share their time.
                    seconds / reports.size(),
                    false));
        }
    }

    /** Writes what is left, each partition its own shards; in corpus order. */
    public List<PrepareReport.Shard> write() {
        String output = plan.recipe().outputDir().toAbsolutePath().normalize().toString();
        long limit = plan.recipe().shardMegabytes() * MEGABYTE;
        return rows
                .documents()
                .mapPartitionsWithIndex(
                        (partition, documents) -> {
                            Iterator<String> lines = new Lines(documents);
                            List<String> shards = new ArrayList<>();
                            while (lines.hasNext()) {
                                String name = String.format(Locale.ROOT, "part-%05d-%03d", partition, shards.size());
                                shards.add(JsonMapper.shared()
                                        .writeValueAsString(PreparedCorpus.shard(Path.of(output), name, lines, limit)));
                            }
                            return shards.iterator();
                        },
                        true)
                .collect()
                .stream()
                .map(json -> JsonMapper.shared().readValue(json, PrepareReport.Shard.class))
                .toList();
    }

    private record Lines(Iterator<Tuple2<Long, String>> rows) implements Iterator<String> {
        @Override
        public boolean hasNext() {
            return rows.hasNext();
        }

        @Override
        public String next() {
            return rows.next()._2();
        }
    }

    /** Names the content of shards. */
    public static String key(List<PrepareReport.Shard> shards) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (PrepareReport.Shard shard : shards) {
                digest.update((shard.name() + " " + shard.sha256() + "\n").getBytes(StandardCharsets.UTF_8));
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
