package quern.bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.Deduplication;
import quern.data.corpus.Verdict;
import quern.data.dedup.MinHashLsh;
import quern.recipe.DurableFiles;
import quern.recipe.RecipeFile;
import quern.testkit.PlantedTexts;
import quern.testkit.ResidentMemory;

/**
 * How well and how fast near-duplicates are found among generated web pages of at most 2 KB. Arguments: {@code quality N}
 * (recall and precision at each threshold), {@code scaling FOLDER THREADS N…} (time and memory), {@code write FILE N} (the
 * pages as JSON lines, for another tool).
 */
public final class DuplicateRemoval {
    private static final double[] SIMILARITIES = {0.9, 0.8, 0.7, 0.5};
    private static final int SHINGLE = 5;
    private static final long MEMORY = 256L << 20;
    private static final PlantedTexts PAGES = new PlantedTexts(17, SHINGLE, SIMILARITIES, 80, 310);

    private DuplicateRemoval() {}

    /** Runs what the arguments say. */
    public static void main(String[] arguments) throws IOException {
        switch (arguments[0]) {
            case "quality" -> quality(Integer.parseInt(arguments[1]));
            case "scaling" -> {
                Path folder = Path.of(arguments[1]);
                Files.createDirectories(folder);
                for (int i = 3; i < arguments.length; i++) {
                    scaling(folder, Integer.parseInt(arguments[2]), Integer.parseInt(arguments[i]));
                }
            }
            case "write" -> write(Path.of(arguments[1]), Integer.parseInt(arguments[2]));
            default -> throw new IllegalArgumentException("unknown: " + arguments[0]);
        }
    }

    /** Pages made on the fly. */
    private record Pages(long count) implements Deduplication.Corpus {
        @Override
        public long count() {
            return count;
        }

        @Override
        public Cursor open() {
            return new Cursor() {
                private long next;

                @Override
                public CorpusDocument next() {
                    return next < count ? page(next++) : null;
                }

                @Override
                public void close() {
                    next = count;
                }
            };
        }
    }

    private static CorpusDocument page(long number) {
        return new CorpusDocument("p" + number, "pages", PAGES.text(number));
    }

    /** Pages in a file. */
    private record PageFile(Path file, long count) implements Deduplication.Corpus {
        @Override
        public long count() {
            return count;
        }

        @Override
        public Cursor open() {
            return new Cursor() {
                private final BufferedReader lines = reader();

                private BufferedReader reader() {
                    try {
                        return Files.newBufferedReader(file);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }

                @Override
                public CorpusDocument next() {
                    try {
                        String line = lines.readLine();
                        return line == null ? null : CorpusDocument.fromJson(line);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }

                @Override
                public void close() {
                    try {
                        lines.close();
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }
            };
        }
    }

    private static double jaccard(String a, String b) {
        Set<List<String>> shinglesOfA = PlantedTexts.shingles(a, SHINGLE);
        Set<List<String>> shared = new HashSet<>(PlantedTexts.shingles(b, SHINGLE));
        int sum = shinglesOfA.size() + shared.size();
        shared.retainAll(shinglesOfA);
        return (double) shared.size() / (sum - shared.size());
    }

    private static void quality(int count) throws IOException {
        PrintStream out = System.out;
        out.println(
                "threshold bands rows planted_at_or_above found recall at_threshold found_there recall_there dropped precision");
        for (double threshold : new double[] {0.5, 0.7, 0.8, 0.9}) {
            Path scratch = Files.createTempDirectory("dedup");
            Deduplication.Context context = new Deduplication.Context(scratch, MEMORY, 1, line -> {});
            MinHashLsh technique = new MinHashLsh();
            Record config = config("{threshold: %s, keep: first}".formatted(threshold));
            int[] n = new int[6];
            long bands;
            long rows;
            try (Deduplication.Decisions decisions = technique.decide(new Pages(count), config, context)) {
                for (int i = 0; i < count; i++) {
                    CorpusDocument document = page(i);
                    boolean dropped = decisions.judge(i, document) instanceof Verdict.Drop;
                    int original = (int) PAGES.original(i);
                    boolean similar = original != i && jaccard(document.text(), PAGES.text(original)) >= threshold;
                    boolean there = similar && PAGES.similarity(i) == threshold;
                    n[0] += similar ? 1 : 0;
                    n[1] += similar && dropped ? 1 : 0;
                    n[2] += there ? 1 : 0;
                    n[3] += there && dropped ? 1 : 0;
                    n[4] += dropped ? 1 : 0;
                }
                bands = decisions.totals().get("bands");
                rows = decisions.totals().get("rows");
            }
            out.printf(
                    Locale.ROOT,
                    "%.1f %d %d %d %d %.4f %d %d %.4f %d %.4f%n",
                    threshold,
                    bands,
                    rows,
                    n[0],
                    n[1],
                    (double) n[1] / n[0],
                    n[2],
                    n[3],
                    (double) n[3] / n[2],
                    n[4],
                    (double) n[1] / n[4]);
            DurableFiles.deleteTree(scratch);
        }
    }

    private static Record config(String yaml) {
        return RecipeFile.load("bench", yaml, List.of()).bind(MinHashLsh.Config.class);
    }

    private static void scaling(Path folder, int threads, int count) throws IOException {
        Path file = folder.resolve("pages-" + count + ".jsonl");
        if (!Files.exists(file)) {
            write(file, count);
        }
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        Path scratch = Files.createTempDirectory(folder, "scratch");
        Deduplication.Context context = new Deduplication.Context(scratch, MEMORY, threads, line -> {});
        long start = System.nanoTime();
        long processor = system.getProcessCpuTime();
        long dropped = 0;
        long spilled;
        PageFile corpus = new PageFile(file, count);
        try (Deduplication.Decisions decisions = new MinHashLsh().decide(corpus, config("{}"), context)) {
            try (var files = Files.walk(scratch)) {
                spilled = files.filter(Files::isRegularFile)
                        .mapToLong(f -> f.toFile().length())
                        .sum();
            }
            try (Deduplication.Corpus.Cursor cursor = corpus.open()) {
                for (int i = 0; i < count; i++) {
                    dropped += decisions.judge(i, cursor.next()) instanceof Verdict.Drop ? 1 : 0;
                }
            }
            double seconds = (System.nanoTime() - start) / 1e9;
            double busy = (system.getProcessCpuTime() - processor) / 1e9;
            System.out.printf(
                    Locale.ROOT,
                    "{\"documents\": %d, \"bytes\": %d, \"threads\": %d, \"seconds\": %.2f, \"processor_seconds\": %.2f, \"documents_a_second\": %.0f, \"documents_a_processor_second\": %.0f, \"dropped\": %d, \"pairs_compared\": %d, \"left_spilled_bytes\": %d, \"peak_rss_mb\": %d}%n",
                    count,
                    Files.size(file),
                    threads,
                    seconds,
                    busy,
                    count / seconds,
                    count / busy,
                    dropped,
                    decisions.totals().get("pairs_compared"),
                    spilled,
                    ResidentMemory.now().peak() >> 20);
        }
        DurableFiles.deleteTree(scratch);
    }

    private static void write(Path file, int count) throws IOException {
        try (BufferedWriter out = Files.newBufferedWriter(file)) {
            for (int i = 0; i < count; i++) {
                out.write(page(i).toJson());
                out.write('\n');
            }
        }
    }
}
