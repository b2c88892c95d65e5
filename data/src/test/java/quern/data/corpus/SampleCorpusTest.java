package quern.data.corpus;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Tales;
import quern.recipe.RecipeFile;
import quern.testkit.RepositoryFiles;

/**
 * The small corpus of {@code recipes/prepare}, which is made here from tales, and what {@code recipes/prepare.yaml} makes of
 * it. To write it again, run this class's main method with the folder.
 */
class SampleCorpusTest {
    private static final int PAGES = 90;
    private static final int NOTES = 60;
    private static final int ROWS = 40;
    private static final Charset LATIN = Charset.forName("windows-1252");
    private static final String SALE = "Come and buy the best bread that was ever sold in this street. ";
    private static final String GERMAN =
            "Der Müller stand früh auf, denn das Korn musste vor dem Regen unter das Dach, und das Wasser lief schon über"
                    + " das Wehr. Seine Tochter half ihm dabei, und am Abend aßen sie das erste Brot aus dem neuen Mehl. ";

    @TempDir
    private Path folder;

    /** Writes the corpus. */
    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        try (GZIPOutputStream out = new GZIPOutputStream(Files.newOutputStream(folder.resolve("crawl.warc.gz")))) {
            out.write(crawl());
        }
        Files.writeString(folder.resolve("notes.jsonl"), notes());
        Files.writeString(folder.resolve("table.csv"), table());
    }

    private static String tale(long index) {
        return new Tales(2024).tale(index).strip();
    }

    /** Pages with navigation and footers; some are missing, some are pictures, some German, some menus, one in Latin-1. */
    private static byte[] crawl() {
        ByteArrayOutputStream warc = new ByteArrayOutputStream();
        for (int i = 0; i < PAGES; i++) {
            // Every tenth page says again what an earlier one said.
            String tale = tale(i % 10 == 9 ? i - 9 : i);
            String text = i % 15 == 4 ? GERMAN.repeat(3) : i % 15 == 7 ? SALE.repeat(20) : tale;
            String paragraphs = "<p>" + text.replaceAll("\\s*\n\\s*", "</p>\n<p>") + "</p>";
            String body = i % 15 == 11
                    ? "<ul>" + "<li><a href=/x>Another page</a></li>".repeat(20) + "</ul>"
                    : "<h1>Tale %d</h1>\n%s".formatted(i, paragraphs);
            String page = """
                    <html><head><title>Tale %d</title></head><body>
                    <nav><a href="/">Home</a> <a href="/tales">Tales</a> <a href="/about">About</a></nav>
                    %s
                    <footer>Written to mail%d@tales.example. All of it may be read aloud.</footer></body></html>
                    """.formatted(i, body, i);
            boolean latin = i % 15 == 4;
            String type = i % 20 == 13 ? "image/png" : "text/html; charset=" + (latin ? "iso-8859-1" : "utf-8");
            byte[] content = page.getBytes(latin ? LATIN : UTF_8);
            byte[] http = "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                    .formatted(i % 20 == 17 ? "404 Not Found" : "200 OK", type, content.length)
                    .getBytes(UTF_8);
            warc.writeBytes("""
                    WARC/1.0\r
                    WARC-Type: response\r
                    WARC-Target-URI: https://tales.example/%d\r
                    WARC-Date: 2024-05-01T00:00:00Z\r
                    WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-%012d>\r
                    Content-Type: application/http; msgtype=response\r
                    Content-Length: %d\r
                    \r
                    """.formatted(i, i, http.length + content.length).getBytes(UTF_8));
            warc.writeBytes(http);
            warc.writeBytes(content);
            warc.writeBytes("\r\n\r\n".getBytes(UTF_8));
        }
        return warc.toByteArray();
    }

    /** Rows with personal data, of which none belongs to anybody; some can not be read. */
    private static String notes() {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < NOTES; i++) {
            String text = tale(1000 + i);
            if (i % 6 == 1) {
                text += " Write to reader%d@tales.example or call (415) 555-26%02d.".formatted(i, i);
            }
            if (i % 6 == 3) {
                text += " The server 203.0.113.%d answered, and the card 4111 1111 1111 1111 was taken.".formatted(i);
            }
            String json = new CorpusDocument("n", "o", text).toJson();
            String quoted = json.substring(json.indexOf("\"text\":") + 7, json.length() - 1);
            lines.append(
                    i == 20
                            ? "{\"body\": \"this line breaks off"
                            : i == 40
                                    ? "{\"content\": %s}".formatted(quoted)
                                    : "{\"topic\": \"%s\", \"body\": %s}"
                                            .formatted(i % 2 == 0 ? "even" : "odd", quoted));
            lines.append('\n');
        }
        return lines.toString();
    }

    private static String table() {
        StringBuilder rows = new StringBuilder("number,text\n");
        for (int i = 0; i < ROWS; i++) {
            rows.append(i)
                    .append(",\"")
                    .append(tale(2000 + i).replace("\"", "\"\""))
                    .append("\"\n");
        }
        return rows.toString();
    }

    @Test
    void theCorpusIsAsItIsMadeHere() throws IOException {
        Path recipes = RepositoryFiles.root().resolve("recipes/prepare");
        try (GZIPInputStream in = new GZIPInputStream(Files.newInputStream(recipes.resolve("crawl.warc.gz")))) {
            assertArrayEquals(crawl(), in.readAllBytes());
        }
        assertEquals(notes(), Files.readString(recipes.resolve("notes.jsonl")));
        assertEquals(table(), Files.readString(recipes.resolve("table.csv")));
    }

    @Test
    void theRecipeUsesItAll() throws IOException {
        Path root = RepositoryFiles.root();
        String yaml = Files.readString(root.resolve("recipes/prepare.yaml"))
                .replace("recipes/prepare/", root + "/recipes/prepare/");
        PrepareRecipe recipe = RecipeFile.load(
                        "recipes/prepare.yaml", yaml, List.of("prepare.output_dir=" + folder.resolve("out")))
                .block("prepare")
                .bind(PrepareRecipe.class);
        PrepareReport report = CorpusPreparation.run(recipe, line -> {});
        StageReport read = report.stages().getFirst();
        assertEquals(PAGES + NOTES + ROWS, read.documentsIn());
        assertEquals(Map.of("invalid_json", 1L, "missing_field", 1L), read.quarantined());
        assertTrue(read.changed().get("other_status") > 0 && read.changed().get("other_media_type") > 0);
        assertTrue(read.changed().get("decoded_windows-1252") > 0);
        Map<String, StageReport> stages = new java.util.TreeMap<>();
        report.stages().forEach(stage -> stages.put(stage.type(), stage));
        assertEquals(6, stages.get("language").dropped().get("other_language"));
        assertEquals(
                5,
                stages.get("repetition").dropped().values().stream()
                        .mapToLong(Long::longValue)
                        .sum());
        assertTrue(stages.get("pii").changed().keySet().containsAll(List.of("email", "ip", "phone", "card")));
        assertTrue(report.documents() > 100 && report.tokens().orElseThrow().train() > 10_000);
        String documents = new String(
                com.github.luben.zstd.Zstd.decompress(Corpora.documents(folder.resolve("out")), 1 << 22), UTF_8);
        assertTrue(!documents.contains("@tales.example") && !documents.contains("All of it may be read aloud"));
    }
}
