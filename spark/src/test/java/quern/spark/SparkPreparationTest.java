package quern.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.luben.zstd.ZstdInputStreamNoFinalizer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusPreparation;
import quern.data.corpus.PrepareRecipe;
import quern.data.corpus.PrepareReport;
import quern.data.corpus.StageReport;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.testkit.PlantedTexts;

/** A local cluster of two cores gives what one machine gives. */
class SparkPreparationTest {
    private static final int FILES = 5;
    private static final int DOCUMENTS = 900;

    private static JavaSparkContext context;

    @TempDir
    Path folder;

    @BeforeAll
    static void start() {
        context = new JavaSparkContext(PrepareMain.configuration()
                .setMaster("local[2]")
                .setAppName("test")
                .set("spark.ui.enabled", "false")
                // Four partitions of everything: enough to cross, few enough to be quick.
                .set("spark.default.parallelism", "1")
                .set("spark.driver.bindAddress", "127.0.0.1")
                .set("spark.driver.host", "127.0.0.1"));
        context.setLogLevel("ERROR");
    }

    @AfterAll
    static void stop() {
        context.stop();
    }

    /** Texts with near-duplicates, copies in other files, boilerplate lines, pages of one template, and broken records. */
    private void writeSources() throws IOException {
        PlantedTexts texts = new PlantedTexts(11, 5, new double[] {0.95, 0.85, 0.8, 0.6}, 20, 120);
        Files.createDirectories(folder.resolve("raw"));
        for (int file = 0; file < FILES; file++) {
            List<String> lines = new ArrayList<>();
            for (int i = 0; i < DOCUMENTS / FILES; i++) {
                int number = file * (DOCUMENTS / FILES) + i;
                String text = switch (number % 12) {
                    case 3 -> texts.text(number / 3);
                    case 7 -> texts.text(1) + " page " + number;
                    case 9 -> "Home | About us\n" + texts.text(number) + "\nAll rights reserved.";
                    case 11 -> "!";
                    default -> texts.text(number);
                };
                String json = new CorpusDocument("x", "x", text).toJson();
                lines.add(number % 97 == 5 ? "{broken" : json);
            }
            Files.write(folder.resolve("raw/part-" + file + ".jsonl"), lines);
        }
    }

    private PrepareRecipe recipe(String output, String stages) {
        return RecipeFile.load(
                        "test",
                        "{sources: [{path: %s, type: jsonl}], output_dir: %s, stages: %s}"
                                .formatted(folder.resolve("raw"), folder.resolve(output), stages),
                        List.of())
                .bind(PrepareRecipe.class);
    }

    private static String documents(Path output, PrepareReport report) throws IOException {
        StringBuilder all = new StringBuilder();
        for (PrepareReport.Shard shard : report.shards()) {
            try (InputStream in = new ZstdInputStreamNoFinalizer(Files.newInputStream(output.resolve(shard.name())))) {
                all.append(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        return all.toString();
    }

    /** Without time, and without the number of comparisons, of which one machine leaves out those it needs not make. */
    private static StageReport comparable(StageReport r) {
        var totals = new java.util.TreeMap<>(r.totals());
        totals.remove("pairs_compared");
        totals.remove("pairs_similar");
        return new StageReport(
                r.type(),
                r.documentsIn(),
                r.documentsOut(),
                r.charactersIn(),
                r.charactersOut(),
                r.bytesIn(),
                r.bytesOut(),
                r.dropped(),
                r.changed(),
                r.examples(),
                r.quarantined(),
                r.quarantine(),
                r.lengths(),
                r.languages(),
                totals,
                r.clusters(),
                0,
                false);
    }

    private Path examples(String kind, String lines) throws IOException {
        return Files.writeString(folder.resolve(kind + ".jsonl"), lines.repeat(2));
    }

    @Test
    void givesWhatOneMachineGives() throws IOException {
        writeSources();
        String stages = "[{type: length, min_characters: 30}, {type: exact_dedup}, {type: minhash_lsh, threshold: 0.8},"
                + " {type: exact_dedup, unit: lines, min_line_length: 10}, {type: length, min_characters: 200},"
                + " {type: quality_classifier, model: '%s', good: ['%s'], bad: ['%s'], bits: 8, threshold: 0}]"
                        .formatted(
                                folder.resolve("classifier"),
                                examples("good", "{\"text\": \"a good text\"}\n{broken\n"),
                                examples("bad", "{\"text\": \"a bad text\"}\n"));
        PrepareReport local = CorpusPreparation.run(recipe("local", stages), line -> {});
        PrepareReport spark = SparkPreparation.run(context, recipe("spark", stages), line -> {});
        assertEquals(
                local.stages().stream().map(SparkPreparationTest::comparable).toList(),
                spark.stages().stream().map(SparkPreparationTest::comparable).toList());
        assertEquals(
                2, spark.stages().getLast().quarantined().values().iterator().next(), "broken examples, each once");
        for (int search : new int[] {2, 3, 4}) {
            assertTrue(
                    spark.stages().get(search).documentsOut()
                            < spark.stages().get(search).documentsIn(),
                    "something is found by step " + search);
        }
        assertEquals(documents(folder.resolve("local"), local), documents(folder.resolve("spark"), spark));
        assertTrue(Files.exists(folder.resolve("spark/report.html")));
        assertTrue(Files.exists(folder.resolve("spark/prepared.json")));
    }

    @Test
    void nothingLeftIsOneClearLine() throws IOException {
        writeSources();
        PrepareRecipe recipe = recipe("none", "[{type: length, min_characters: 1000000}, {type: exact_dedup}]");
        QuernException refused =
                assertThrows(QuernException.class, () -> SparkPreparation.run(context, recipe, line -> {}));
        assertTrue(refused.getMessage().contains("no document is left after 'length'"), refused.getMessage());
        assertFalse(Files.exists(folder.resolve("none/prepared.json")));
    }

    @Test
    void keysWithoutEffectAreRefusedWithTheirLine() throws IOException {
        for (String key : List.of("threads: 2", "keep_stages: true")) {
            Path file = Files.writeString(
                    folder.resolve("recipe.yaml"),
                    "prepare:\n  sources: [{path: raw.txt}]\n  output_dir: %s\n  %s\n"
                            .formatted(folder.resolve("x"), key));
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            ExitCode code =
                    PrepareMain.run(new String[] {file.toString()}, new PrintStream(err, true, StandardCharsets.UTF_8));
            assertEquals(ExitCode.BAD_INPUT, code);
            String message = err.toString(StandardCharsets.UTF_8);
            assertTrue(
                    message.startsWith("quern: error: %s:4:3: prepare.%s: has no effect on Spark"
                            .formatted(file, key.substring(0, key.indexOf(':')))),
                    message);
        }
    }

    @Test
    void tokensAreRefused() throws IOException {
        writeSources();
        PrepareRecipe recipe = RecipeFile.load(
                        "test",
                        "{sources: [{path: %s}], output_dir: %s, tokenizer: bpe}"
                                .formatted(folder.resolve("raw"), folder.resolve("x")),
                        List.of())
                .bind(PrepareRecipe.class);
        assertThrows(QuernException.class, () -> SparkPreparation.run(context, recipe, line -> {}));
    }
}
