package quern.data.corpus.source;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.luben.zstd.Zstd;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.corpus.Corpora;
import quern.data.corpus.CorpusDocument;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.StageReport;
import quern.data.corpus.internal.StageTally;

class SourcesTest {
    private static final Map<String, Long> NONE = Map.of();

    @TempDir
    private Path folder;

    private Path file(String name, byte[] bytes) throws IOException {
        return Files.write(folder.resolve(name), bytes);
    }

    private Path file(String name, String text) throws IOException {
        return file(name, text.getBytes(UTF_8));
    }

    private static byte[] gzip(byte[]... members) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] member : members) {
            try (GZIPOutputStream out = new GZIPOutputStream(all)) {
                out.write(member);
            }
        }
        return all.toByteArray();
    }

    private static List<String> texts(Corpora.Read read) {
        return read.documents().stream().map(CorpusDocument::text).toList();
    }

    @Test
    void aTextFileIsAFileLinesOrParagraphs() throws IOException {
        Path file = file("a.txt", "first\r\nsecond\n\n \nthird\n");
        TextSource text = new TextSource();
        assertEquals(List.of("first\r\nsecond\n\n \nthird\n"), texts(Corpora.read(text, file)));
        assertEquals(List.of("first", "second", "third"), texts(Corpora.read(text, file, "unit", "line")));
        Corpora.Read paragraphs = Corpora.read(text, file, "unit", "paragraph");
        assertEquals(List.of("first\nsecond", "third"), texts(paragraphs));
        assertEquals(
                List.of("a.txt#1", "a.txt#5"),
                paragraphs.documents().stream().map(CorpusDocument::id).toList());
    }

    @Test
    void compressionIsToldByContent() throws IOException {
        byte[] plain = "one\ntwo\n".getBytes(UTF_8);
        byte[] frames = Zstd.compress(plain);
        byte[] twice = Arrays.copyOf(frames, 2 * frames.length);
        System.arraycopy(frames, 0, twice, frames.length, frames.length);
        TextSource text = new TextSource();
        assertEquals(
                List.of("one", "two", "one", "two"),
                texts(Corpora.read(text, file("misnamed.txt", gzip(plain, plain)), "unit", "line")));
        assertEquals(
                List.of("one", "two", "one", "two"),
                texts(Corpora.read(text, file("a.txt.zst", twice), "unit", "line")));
        assertEquals(List.of("one", "two"), texts(Corpora.read(text, file("plain.txt.gz", plain), "unit", "line")));
    }

    @Test
    void eachLineHasItsOwnEncoding() throws IOException {
        ByteArrayOutputStream mixed = new ByteArrayOutputStream();
        mixed.writeBytes("größer\n".getBytes(UTF_8));
        mixed.writeBytes("Größer ist die Straße über dem Fluß\n".getBytes(Charset.forName("windows-1252")));
        mixed.writeBytes(
                "Съешь ещё этих мягких французских булок, да выпей чаю\n".getBytes(Charset.forName("windows-1251")));
        Corpora.Read read = Corpora.read(new TextSource(), file("mixed.txt", mixed.toByteArray()), "unit", "line");
        assertEquals(
                List.of(
                        "größer",
                        "Größer ist die Straße über dem Fluß",
                        "Съешь ещё этих мягких французских булок, да выпей чаю"),
                texts(read));
        assertEquals(
                Map.of("decoded_windows-1251", 1L, "decoded_windows-1252", 1L),
                read.report().changed());
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-16LE", "UTF-16BE"})
    void utf16IsToldByItsMark(String charset) throws IOException {
        String text = "\ufeffgrößer\n\ud83d\ude00 und mehr\n".repeat(1).replace("\n\ufeff", "\n");
        Path file = file("a.txt", text.getBytes(Charset.forName(charset)));
        assertEquals(
                List.of("größer", "\ud83d\ude00 und mehr"),
                texts(Corpora.read(new TextSource(), file, "unit", "line")));
        assertEquals(List.of("größer\n\ud83d\ude00 und mehr\n"), texts(Corpora.read(new TextSource(), file)));
    }

    @Test
    void damagedUtf8IsMendedAndCounted() throws IOException {
        byte[] bytes = "größer und schöner über Straßen".getBytes(UTF_8);
        bytes[bytes.length - 5] = (byte) 0xff;
        Corpora.Read read = Corpora.read(new TextSource(), file("a.txt", bytes));
        assertTrue(
                texts(read).getFirst().startsWith("größer und schöner über"),
                texts(read).getFirst());
        assertTrue(read.report().changed().get("replaced_sequences") >= 1);
    }

    @Test
    void jsonLinesKeepUrlsAndLabels() throws IOException {
        Path file = file("a.jsonl", """
                {"body": "one", "u": "http://a/", "score": 0.5, "x": {"body": [1, 2]}}

                {"body": "t\\u00e9xt \\ud83d", "score": null}
                """);
        Corpora.Read read = Corpora.read(
                new JsonLinesSource(), file, "field", "body", "url_field", "u", "labels", List.of("score", "missing"));
        assertEquals(
                new CorpusDocument("a.jsonl#1", "a.jsonl", Optional.of("http://a/"), "one", Map.of("score", "0.5")),
                read.documents().get(0));
        assertEquals("téxt \ufffd", read.documents().get(1).text());
        assertEquals(Map.of("replaced_sequences", 1L), read.report().changed());
    }

    @Test
    void badJsonIsQuarantinedAndTheRestRead() throws IOException {
        Path file = file("a.jsonl", """
                {"text": "one"}
                {"text": "two"
                ["text"]
                {"text": 3}
                {"content": "x"}
                {"text": "a"} {"text": "b"}
                {"text": "%s"}
                {"text": "last"}
                """.formatted("y".repeat(1_100_000)));
        Corpora.Read read = Corpora.read(new JsonLinesSource(), file);
        assertEquals(List.of("one", "last"), texts(read));
        assertEquals(
                Map.of("invalid_json", 3L, "wrong_type", 1L, "missing_field", 1L, "too_large", 1L),
                read.report().quarantined());
        assertEquals(
                "a.jsonl:7",
                read.report().quarantine().get("too_large").getFirst().place());
        assertEquals("a.jsonl#8", read.documents().getLast().id());
    }

    @Test
    void csvHasQuotesDelimitersAndLineEnds() throws IOException {
        Path file = file(
                "a.csv",
                "id,text,url\r\n1,plain,http://a/\r\n2,\"with, comma and \"\"quotes\"\"\nand a line\",\r\n3,too,many,values\r\n4,last,x");
        Corpora.Read read = Corpora.read(new CsvSource(), file, "labels", List.of("id"), "url_field", "url");
        assertEquals(List.of("plain", "with, comma and \"quotes\"\nand a line", "last"), texts(read));
        assertEquals("4", read.documents().getLast().labels().get("id"));
        assertEquals(Optional.of("http://a/"), read.documents().getFirst().url());
        assertEquals(Map.of("wrong_columns", 1L), read.report().quarantined());
        assertEquals(
                "a.csv:5",
                read.report().quarantine().get("wrong_columns").getFirst().place());

        Path tabs = file("b.tsv", "text\tn\na,b\t1\n");
        assertEquals(List.of("a,b"), texts(Corpora.read(new CsvSource(), tabs)));
        Corpora.Read wrong = Corpora.read(new CsvSource(), file, "field", "body");
        assertTrue(wrong.report()
                .quarantine()
                .get("missing_field")
                .getFirst()
                .detail()
                .contains("found id, text, url"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "snappy", "gzip", "zstd"})
    void parquetIsReadUnderEachCompression(String codec) throws URISyntaxException {
        Path file = Path.of(
                getClass().getResource("/parquet/rows-" + codec + ".parquet").toURI());
        Corpora.Read read = Corpora.read(
                new ParquetSource(), file, "url_field", "url", "labels", List.of("score", "id", "missing"));
        assertEquals(39, read.documents().size());
        assertEquals(Map.of("wrong_type", 1L), read.report().quarantined());
        CorpusDocument tenth = read.documents().get(9);
        assertEquals("row 10 says: größer, 日本語, \ud83d\ude00 ", tenth.text());
        assertEquals(Optional.of("https://example.org/10"), tenth.url());
        assertEquals(Map.of("score", "1.25", "id", "10"), tenth.labels());
        assertEquals(Optional.empty(), read.documents().get(8).url());
    }

    @Test
    void damagedParquetIsQuarantined() throws IOException, URISyntaxException {
        byte[] bytes = Files.readAllBytes(
                Path.of(getClass().getResource("/parquet/rows-zstd.parquet").toURI()));
        Corpora.Read half = Corpora.read(new ParquetSource(), file("half.parquet", Arrays.copyOf(bytes, 3000)));
        assertEquals(Map.of("invalid_parquet", 1L), half.report().quarantined());
        Corpora.Read noise = Corpora.read(new ParquetSource(), file("noise.parquet", "no parquet at all"));
        assertEquals(Map.of("invalid_parquet", 1L), noise.report().quarantined());
        Corpora.Read column = Corpora.read(new ParquetSource(), file("whole.parquet", bytes), "field", "body");
        assertTrue(column.report()
                .quarantine()
                .get("missing_field")
                .getFirst()
                .detail()
                .contains("found id, text, url"));
    }

    private static final String PAGE = """
            <html><head><title>T</title><meta charset="windows-1252"><style>p{}</style></head><body>
            <nav><ul><li><a href=/>Home</a><li><a href=/b>Blog</a></ul></nav>
            <div class=crumbs><a href=/x>Start</a> <a href=/y>Cookery</a></div>
            <h1>How bread rises</h1>
            <p>Yeast eats the sugar in the dough and breathes out gas, which the gluten holds in small bubbles until the
            loaf has twice its size &amp; more; that takes an hour in a warm kitchen.</p>
            <p>Then the oven sets the crumb, the crust browns, and the bread is done when it sounds hollow, which is
            checked by knocking on its underside with a knuckle or two.</p>
            <ul><li>flour<li>water<li>salt</ul>
            <pre>oven:  230
              steam</pre>
            <script>var x = "<p>not text</p>";</script>
            <div hidden>hidden words that nobody ever sees on this page at all, however long they go on</div>
            <div><a href=/1>Ten cakes you must see</a> <a href=/2>What she said next</a> <a href=/3>More</a></div>
            <footer>Copyright, imprint, and a long line of legal words that could be taken for content by its length</footer>
            </body></html>
            """;

    @Test
    void pagesLoseMarkupAndBoilerplate() throws IOException {
        Path file = file("a.html", PAGE.getBytes(ISO_8859_1));
        String text = texts(Corpora.read(new HtmlSource(), file)).getFirst();
        assertTrue(text.startsWith("How bread rises\n\nYeast eats the sugar"), text);
        assertTrue(text.contains("twice its size & more; that takes"), text);
        assertTrue(text.contains("flour\nwater\nsalt"), text);
        assertTrue(text.contains("oven:  230\n  steam"), text);
        for (String gone : List.of("Home", "Cookery", "not text", "Ten cakes", "Copyright", "hidden", "<p>")) {
            assertTrue(!text.contains(gone), gone + " in " + text);
        }
        String all =
                texts(Corpora.read(new HtmlSource(), file, "extract", "all")).getFirst();
        assertTrue(all.contains("Ten cakes") && all.contains("Copyright") && all.contains("Home"), all);
        assertTrue(!all.contains("not text") && !all.contains("hidden words"), all);
    }

    @Test
    void binaryDataIsNoPage() throws IOException {
        byte[] noise = new byte[50_000];
        new Random(3).nextBytes(noise);
        Corpora.Read page = Corpora.read(new HtmlSource(), file("noise.html", noise));
        assertEquals(Map.of("binary", 1L), page.report().quarantined());
        assertEquals(List.of(), page.documents());
        for (String type : List.of("text/html", "text/plain")) {
            byte[] warc = record("response", "http://a/", http(200, type, new String(noise, ISO_8859_1)), ISO_8859_1);
            Corpora.Read record = Corpora.read(new WarcSource(), file("noise.warc", warc));
            assertEquals(Map.of("binary", 1L), record.report().quarantined());
        }
        // A stray one is none of a page's business.
        Corpora.Read stray = Corpora.read(new HtmlSource(), file("a.html", (PAGE + "\u0000").getBytes(ISO_8859_1)));
        assertEquals(1, stray.documents().size());
    }

    @Test
    void aFileOfItsFirstBytesAloneIsSaidToEndEarly() throws IOException {
        Corpora.Read read = Corpora.read(new JsonLinesSource(), file("a.jsonl.gz", new byte[] {0x1f, (byte) 0x8b}));
        assertEquals(
                "the file is left out from plain byte 0 on: the compressed data ends too early",
                read.report().quarantine().get("truncated_file").getFirst().detail());
    }

    @Test
    void deeplyNestedPagesAreRead() throws IOException {
        String page = "<div>".repeat(100_000) + "<p>" + "deep words ".repeat(20) + "</p>";
        String text =
                texts(Corpora.read(new HtmlSource(), file("deep.html", page))).getFirst();
        assertTrue(text.contains("deep words deep words"), text);
    }

    private static byte[] record(String type, String url, String block, Charset charset) {
        byte[] content = block.getBytes(charset);
        String head = "WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nWARC-Date: 2024-05-01T00:00:00Z\r\n"
                        .formatted(type, url)
                + "WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n"
                + "Content-Type: %s\r\nContent-Length: %d\r\n\r\n"
                        .formatted(
                                type.equals("conversion") ? "text/plain" : "application/http; msgtype=response",
                                content.length);
        ByteArrayOutputStream record = new ByteArrayOutputStream();
        record.writeBytes(head.getBytes(UTF_8));
        record.writeBytes(content);
        record.writeBytes("\r\n\r\n".getBytes(UTF_8));
        return record.toByteArray();
    }

    private static String http(int status, String type, String body) {
        return "HTTP/1.1 %d X\r\nContent-Type: %s\r\n\r\n%s".formatted(status, type, body);
    }

    private static byte[] warc() throws IOException {
        Charset latin2 = Charset.forName("ISO-8859-2");
        String czech = "<p>" + "Příliš žluťoučký kůň úpěl ďábelské ódy a nikdo ho neslyšel. ".repeat(4) + "</p>";
        return gzip(
                record("warcinfo", "x", "software: test\r\n", UTF_8),
                record("response", "http://a.example/1", http(200, "text/html; charset=utf-8", PAGE), UTF_8),
                record("request", "http://a.example/1", "GET / HTTP/1.1\r\n\r\n", UTF_8),
                record("response", "http://a.example/2", http(404, "text/html", PAGE), UTF_8),
                record("response", "http://a.example/3", http(200, "image/png", "PNG"), UTF_8),
                record("response", "http://a.example/4", http(200, "text/html; charset=ISO-8859-2", czech), latin2),
                record("response", "http://a.example/5", "no http", UTF_8),
                record("response", "http://a.example/6", http(200, "text/plain", "plain words"), UTF_8));
    }

    @Test
    void warcResponsesBecomeDocuments() throws IOException {
        Corpora.Read read = Corpora.read(new WarcSource(), file("a.warc.gz", warc()));
        assertEquals(3, read.documents().size(), read.report()::toString);
        assertEquals(Optional.of("http://a.example/1"), read.documents().get(0).url());
        assertEquals("a.warc.gz#2", read.documents().get(0).id());
        assertTrue(read.documents().get(0).text().startsWith("How bread rises"));
        assertTrue(
                read.documents().get(1).text().startsWith("Příliš žluťoučký kůň"),
                read.documents().get(1).text());
        assertEquals("plain words", read.documents().get(2).text());
        assertEquals(
                Map.of("other_status", 1L, "other_media_type", 1L, "decoded_iso-8859-2", 1L),
                read.report().changed());
        assertEquals(Map.of("invalid_http", 1L), read.report().quarantined());
    }

    @Test
    void behindADamagedRecordAWarcIsLeftOutAndCountedOnce() throws IOException {
        byte[] good = record("response", "http://a/", http(200, "text/html; charset=utf-8", PAGE), UTF_8);
        String text = new String(good, ISO_8859_1);
        String noise = "\u0000\u00ff no header\r\n\r\n".repeat(50);
        String negative = text.replace("Content-Length: ", "Content-Length: -");
        String endless = text.replace("Content-Length: ", "Content-Length: 99999999999");
        for (String damaged : List.of(noise, negative, endless)) {
            Path file = file("damaged.warc", (text + damaged + text.repeat(3)).getBytes(ISO_8859_1));
            StageTally tally = new StageTally(5);
            int found = 0;
            CorpusFile source = new CorpusFile(file, "damaged.warc", 1_000_000);
            try (CorpusReader.Records records =
                    new WarcSource().open(source, Corpora.config(new WarcSource()), tally)) {
                while (records.next() != null) {
                    found++;
                }
                assertNull(records.next());
                assertNull(records.next());
            }
            assertEquals(1, found);
            StageReport report = tally.report("read");
            long endings = report.quarantine().values().stream()
                    .flatMap(List::stream)
                    .filter(example -> example.detail().startsWith("the file is left out from here on: "))
                    .count();
            assertEquals(1, endings, report.quarantine()::toString);
        }
    }

    @Test
    void aWarcThatBreaksOffGivesWhatCameBefore() throws IOException {
        byte[] whole = warc();
        for (int cut : new int[] {whole.length - 40, whole.length / 2}) {
            Corpora.Read read = Corpora.read(new WarcSource(), file("cut.warc.gz", Arrays.copyOf(whole, cut)));
            assertTrue(
                    read.documents().size() >= 1 && read.documents().size() < 3,
                    "" + read.documents().size());
            assertEquals(1, read.report().quarantined().get("truncated_file"), "" + cut);
        }
        // Without compression the end of the last record is missing.
        byte[] plain = record("response", "http://a/", http(200, "text/html", PAGE), UTF_8);
        Corpora.Read half = Corpora.read(new WarcSource(), file("half.warc", Arrays.copyOf(plain, plain.length - 300)));
        assertEquals(Map.of("truncated_file", 1L), half.report().quarantined());
        Corpora.Read noise = Corpora.read(new WarcSource(), file("noise.warc", "this is no WARC file\n".repeat(9)));
        assertEquals(Map.of("invalid_warc", 1L), noise.report().quarantined());
    }

    @Test
    void wetConversionsBecomeDocuments() throws IOException {
        byte[] wet = gzip(
                record("warcinfo", "x", "software: test\r\n", UTF_8),
                record("conversion", "http://a.example/1", "Größer\nals gedacht\n", UTF_8));
        Corpora.Read read = Corpora.read(new WetSource(), file("a.warc.wet.gz", wet));
        assertEquals(List.of("Größer\nals gedacht"), texts(read));
        assertEquals(NONE, read.report().quarantined());
    }

    @Test
    void filesGoToTheirReadersByName() {
        Map<String, String> kinds = Map.of(
                "CC-MAIN-1.warc.gz", "warc",
                "CC-MAIN-1.warc.wet.gz", "wet",
                "x.jsonl.zst", "jsonl",
                "x.TSV", "csv",
                "x.parquet", "parquet",
                "x.htm", "html",
                "x.md", "text");
        kinds.forEach((name, kind) -> assertEquals(
                kind,
                quern.data.corpus.internal.CorpusFiles.byName(Path.of(name))
                        .orElseThrow()
                        .id(),
                name));
    }

    @Test
    void aQuoteWithinAValueIsACharacter() throws IOException {
        Path file = file("a.csv", "text\na 5\" pipe\nsecond\nthird 6\" pipe\n\"a\"\"b\nc\"\nlast\n");
        assertEquals(
                List.of("a 5\" pipe", "second", "third 6\" pipe", "a\"b\nc", "last"),
                texts(Corpora.read(new CsvSource(), file)));
        Path row = file("b.csv", "n,text\n1,\"two\nlines\"\n2,x\"y\n\"3\",\"\"\n4,\"a, \"\"b\"\"\nc\"\n");
        assertEquals(List.of("two\nlines", "x\"y", "", "a, \"b\"\nc"), texts(Corpora.read(new CsvSource(), row)));
    }

    @Test
    void theLimitOfARecordIsExact() throws IOException {
        // Corpora.read sets it to a megabyte; buffers are larger than what goes over it here.
        String fits = "x".repeat(1_000_000);
        for (String end : List.of("\nlast", "")) {
            Corpora.Read read =
                    Corpora.read(new TextSource(), file("a.txt", fits + "\n" + fits + "y" + end), "unit", "line");
            assertEquals(end.isEmpty() ? List.of(fits) : List.of(fits, "last"), texts(read));
            assertEquals(1, read.report().quarantined().get("too_large"));
        }
    }

    @Test
    void binaryFilesAreNoText() throws IOException {
        byte[] junk = new byte[4096];
        new java.util.Random(1).nextBytes(junk);
        Corpora.Read read = Corpora.read(new TextSource(), file("a.txt", junk));
        assertEquals(List.of(), texts(read));
        assertEquals(Map.of("binary", 1L), read.report().quarantined());
    }

    @Test
    void longKeysAndNumbersAreNotDeep() throws IOException {
        Path file = file(
                "a.jsonl",
                "{\"%s\": 1, \"n\": %s, \"text\": \"here\"}\n".formatted("k".repeat(60_000), "1".repeat(2_000)));
        Corpora.Read read = Corpora.read(new JsonLinesSource(), file);
        assertEquals(NONE, read.report().quarantined());
        assertEquals(List.of("here"), texts(read));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(ISO_8859_1);
    }

    private static byte[] encoded(String headers, byte[] body) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes(bytes("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + headers + "\r\n\r\n"));
        all.writeBytes(body);
        return all.toByteArray();
    }

    @Test
    void bodiesThatCanNotBeDecodedAreQuarantinedOneByOne() throws IOException {
        byte[] cut = Arrays.copyOf(gzip("some text".repeat(50).getBytes(UTF_8)), 30);
        List<byte[]> bodies = List.of(
                encoded("Content-Encoding: br", bytes("\u0003\u0002\u0080x\u0003")),
                encoded("Content-Encoding: gzip", bytes("no gzip")),
                encoded("Content-Encoding: gzip", cut),
                encoded("Content-Encoding: deflate", bytes("no deflate")),
                encoded("Content-Encoding: zstd", bytes("no zstd")),
                encoded("Transfer-Encoding: chunked", bytes("zz\r\nabc\r\n0\r\n\r\n")),
                encoded("Transfer-Encoding: chunked", bytes("ffffffffffffffff\r\nabc\r\n0\r\n\r\n")),
                encoded("Content-Length: 99999999999999999999", bytes("abc")));
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        for (byte[] body : bodies) {
            file.writeBytes(record("response", "http://a.example/", new String(body, ISO_8859_1), ISO_8859_1));
        }
        file.writeBytes(record("response", "http://a.example/last", http(200, "text/plain", "the last"), UTF_8));
        Corpora.Read read = Corpora.read(new WarcSource(), file("a.warc", file.toByteArray()));
        assertEquals("the last", read.documents().getLast().text(), read.report()::toString);
    }

    /** Whatever a byte is changed to, a file gives documents or quarantined records, and no failure. */
    @Test
    void damagedBytesFailNoReader() throws IOException, URISyntaxException {
        byte[] parquet = Files.readAllBytes(
                Path.of(getClass().getResource("/parquet/rows-none.parquet").toURI()));
        ByteArrayOutputStream warc = new ByteArrayOutputStream();
        for (int i = 0; i < 3; i++) {
            warc.writeBytes(record("response", "http://a/" + i, http(200, "text/html; charset=utf-8", PAGE), UTF_8));
        }
        Map<quern.data.corpus.CorpusReader, byte[]> readers = Map.of(
                new WarcSource(), warc.toByteArray(),
                new ParquetSource(), parquet,
                new HtmlSource(), PAGE.getBytes(UTF_8),
                new CsvSource(), bytes("text,b\n\"a \"\"b\"\" c\",2\nplain,3\n\"x\ny\",4\n"),
                new JsonLinesSource(),
                        bytes("{\"text\": \"a\", \"b\": [1, {\"c\": null}]}\n{\"text\": \"\\u00e9\"}\n"));
        java.util.Random random = new java.util.Random(5);
        for (Map.Entry<quern.data.corpus.CorpusReader, byte[]> entry : readers.entrySet()) {
            for (int i = 0; i < 40; i++) {
                byte[] damaged = entry.getValue().clone();
                for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
                    damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
                }
                Path file = file("damaged", damaged);
                try {
                    Corpora.read(entry.getKey(), file);
                } catch (RuntimeException | Error e) {
                    throw new AssertionError(entry.getKey().id() + ", damage " + i, e);
                }
            }
        }
    }
}
