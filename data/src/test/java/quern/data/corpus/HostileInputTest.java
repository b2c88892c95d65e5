package quern.data.corpus;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.luben.zstd.ZstdOutputStreamNoFinalizer;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.testkit.ChildJvm;

/** Sources that are made to break a reader, read in a JVM whose heap is smaller than what they expand to. */
class HostileInputTest {
    private static final String SMALL_HEAP = "-Xmx96m";
    private static final Duration LONGEST = Duration.ofSeconds(120);

    @TempDir
    private Path folder;

    private OutputStream gzip(String name) throws IOException {
        Files.createDirectories(folder.resolve("raw"));
        return new GZIPOutputStream(Files.newOutputStream(folder.resolve("raw").resolve(name)), 1 << 16);
    }

    private static void repeat(OutputStream out, String text, long bytes) throws IOException {
        byte[] block = text.repeat((1 << 16) / text.length()).getBytes(UTF_8);
        for (long written = 0; written < bytes; written += block.length) {
            out.write(block);
        }
    }

    private ChildJvm.Result prepare(String stages) throws IOException {
        Path recipe = folder.resolve("recipe.yaml");
        Files.writeString(recipe, """
                sources: [{path: '%s/raw'}]
                stages: [%s]
                output_dir: '%s/out'
                threads: 2
                max_document_megabytes: 2
                """.formatted(folder, stages, folder));
        return ChildJvm.of(PrepareChild.class, recipe.toString())
                .jvmArgs(SMALL_HEAP)
                .run(LONGEST);
    }

    private static void good(OutputStream out, String name) throws IOException {
        out.write(new CorpusDocument(name, "x", "good text " + name)
                .toJson()
                .concat("\n")
                .getBytes(UTF_8));
    }

    @Test
    void bombsLongLinesAndDeepNestingAreQuarantined() throws IOException {
        quarantined(256);
    }

    @Test
    @Tag("nightly")
    void aLineOfAGigabyteIsQuarantined() throws IOException {
        quarantined(1024);
    }

    /** Each of these expands to far more than the heap; what is good beside them stays. */
    private void quarantined(int lineMegabytes) throws IOException {
        // One line between two good ones: text that compresses well, but not like a bomb.
        try (OutputStream plain = Files.newOutputStream(
                        Files.createDirectories(folder.resolve("raw")).resolve("a-line.jsonl.zst"));
                OutputStream out = new BufferedOutputStream(new ZstdOutputStreamNoFinalizer(plain, 1), 1 << 16)) {
            good(out, "before");
            out.write("{\"text\": \"".getBytes(UTF_8));
            byte[] noise = new byte[1 << 20];
            java.util.SplittableRandom random = new java.util.SplittableRandom(1);
            for (int i = 0; i < noise.length; i++) {
                // A sixteenth of the bytes is random, so the ratio stays under the limit.
                noise[i] = (byte) (i % 16 == 0 ? 'a' + random.nextInt(26) : 'x');
            }
            for (int i = 0; i < lineMegabytes; i++) {
                noise[i * 16 % noise.length] = (byte) ('a' + random.nextInt(26));
                out.write(noise);
            }
            out.write("\"}\n".getBytes(UTF_8));
            good(out, "after");
        }
        // A thousand to one.
        try (OutputStream out = gzip("b-bomb.jsonl.gz")) {
            good(out, "first");
            repeat(out, " ", 150L << 20);
            good(out, "last");
        }
        // Nested a million deep, closed and not.
        try (OutputStream out = gzip("c-deep.jsonl.gz")) {
            out.write("{\"text\": \"good\", \"x\": ".getBytes(UTF_8));
            out.write("[".repeat(1_000_000).getBytes(UTF_8));
            out.write("]".repeat(900_000).getBytes(UTF_8));
            out.write("}\n".getBytes(UTF_8));
            out.write("{\"a\":".repeat(300_000).getBytes(UTF_8));
            out.write('\n');
            good(out, "deep");
        }
        ChildJvm.Result result = prepare("");
        assertEquals(0, result.exitCode(), result.stderr());
        assertTrue(result.stdout().contains("documents 4"), result.stdout());
        Map<String, Integer> expected = new TreeMap<>(Map.of("too_large", 1, "decompression_bomb", 1, "too_deep", 2));
        assertTrue(result.stdout().contains(expected.toString()), result.stdout());
    }

    @Test
    void truncatedAndCorruptCompressionGivesWhatCameBefore() throws IOException {
        Files.createDirectories(folder.resolve("raw"));
        Corpora.tales(folder.resolve("raw/whole.jsonl.gz"), 1, 0.5);
        byte[] bytes = Files.readAllBytes(folder.resolve("raw/whole.jsonl.gz"));
        Files.write(folder.resolve("raw/cut.jsonl.gz"), Arrays.copyOf(bytes, bytes.length / 2));
        byte[] damaged = bytes.clone();
        Arrays.fill(damaged, damaged.length / 2, damaged.length / 2 + 200, (byte) 0xff);
        Files.write(folder.resolve("raw/damaged.jsonl.gz"), damaged);
        Files.write(folder.resolve("raw/noise.jsonl.zst"), new byte[] {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd, 1, 2, 3});
        Files.write(folder.resolve("raw/none.jsonl.gz"), new byte[0]);
        PrepareReport report = CorpusPreparation.run(
                Corpora.recipe("sources: [{path: '%s/raw'}]\noutput_dir: '%s/out'\n".formatted(folder, folder)),
                line -> {});
        Map<String, Long> quarantined = report.stages().getFirst().quarantined();
        assertEquals(1, quarantined.get("truncated_file"), quarantined::toString);
        assertEquals(2, quarantined.get("corrupt_compression"), quarantined::toString);
        long whole = report.stages().getFirst().documentsOut();
        assertTrue(report.documents() == whole && whole > 1000, "" + whole);
    }

    /** Long runs of what the rules look for must not take time quadratic in their length. */
    @Test
    void filtersTakeLinearTime() {
        String[] runs = {
            "a@".repeat(150_000), "@".repeat(300_000), "1.".repeat(150_000), "1-".repeat(150_000),
            "::".repeat(150_000), "a.".repeat(150_000) + "@b", "x@" + "a.".repeat(150_000), "(1".repeat(150_000),
            "[".repeat(300_000), "a ".repeat(150_000), "\n".repeat(300_000) + "x", "…".repeat(150_000)
        };
        long start = System.nanoTime();
        for (quern.recipe.Technique technique : quern.recipe.Techniques.all()) {
            if (technique instanceof DocumentFilter filter && !technique.id().equals("quality_classifier")) {
                Object[] settings = technique.id().equals("length") ? new Object[] {"min_words", 1} : new Object[0];
                try (DocumentFilter.Judge judge = filter.open(Corpora.config(filter, settings))) {
                    for (String run : runs) {
                        judge.judge(new CorpusDocument("x", "x", run));
                    }
                }
            }
        }
        // A quadratic scan of one run alone would take many minutes.
        assertTrue(System.nanoTime() - start < 60_000_000_000L);
    }
}
