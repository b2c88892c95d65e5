package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.github.luben.zstd.ZstdOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** What is read from files, in which order, and what is refused with which words. */
class DocumentsTest {
    @TempDir
    Path folder;

    private Path write(String name, String text) throws IOException {
        return write(name, text.getBytes(StandardCharsets.UTF_8));
    }

    private Path write(String name, byte[] bytes) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        if (name.endsWith(".gz")) {
            try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
                out.write(bytes);
            }
        } else if (name.endsWith(".zst")) {
            // A frame without a checksum, the library's default, hides most flipped bits.
            try (OutputStream out = new ZstdOutputStream(Files.newOutputStream(file)).setChecksum(true)) {
                out.write(bytes);
            }
        } else {
            Files.write(file, bytes);
        }
        return file;
    }

    private static List<String> read(DataConfig config) {
        List<String> texts = new ArrayList<>();
        Documents.open(config).texts().forEach(texts::add);
        return texts;
    }

    private List<String> read(String entry) {
        return read(DataConfig.files(folder.resolve(entry).toString()));
    }

    private static void refused(ExitCode code, Runnable reading, String... parts) {
        QuernException error = assertThrows(QuernException.class, reading::run);
        assertEquals(code, error.exitCode(), error.getMessage());
        assertEquals(1, error.getMessage().lines().count(), error.getMessage());
        for (String part : parts) {
            assertTrue(error.getMessage().contains(part), "'" + part + "' is not in: " + error.getMessage());
        }
    }

    @Test
    void everyKindOfFileInSortedOrder() throws IOException {
        write("c/1.txt", "one");
        write("a.jsonl", "{\"text\":\"two\"}\n\n{\"id\":[1,{\"text\":\"no\"}],\"text\":\"three\"}");
        write("b.txt.gz", "four");
        write("b.txt.zst", "five");
        write("d.jsonl.gz", "{\"text\":\"six \\u00e9\\n\"}\r\n");
        write("e.jsonl.zst", "{\"text\":\"seven\"}\n");
        write("readme.md", "not text");
        write(".hidden.txt", "hidden");
        List<String> all = List.of("two", "three", "four", "five", "one", "six é\n", "seven");
        assertEquals(all, read(""));
        assertEquals(List.of("two", "three", "six é\n", "seven"), read("*.jsonl{,.gz,.zst}"));
        assertEquals(List.of("one"), read("**/1.txt"));
        assertEquals(all, read(""), "a second pass gives the same");
    }

    @Test
    void oneFileNamedTwiceIsReadOnce() throws IOException {
        String file = write("a.txt", "one").toString();
        assertEquals(List.of("one"), read(DataConfig.files(file, file, folder.toString())));
    }

    @Test
    void linesAndParagraphsAsDocuments() throws IOException {
        write("a.txt", "one\r\ntwo\n\n\nthree\n  \nfour");
        DataConfig config = DataConfig.files(folder.resolve("a.txt").toString());
        assertEquals(List.of("one", "two", "three", "four"), read(config.withTextUnit(TextUnit.LINE)));
        List<String> paragraphs = read(config.withTextUnit(TextUnit.PARAGRAPH));
        assertEquals(List.of("one\r\ntwo\n\n\n", "three\n  \n", "four"), paragraphs);
        Documents.Cursor lines =
                Documents.open(config.withTextUnit(TextUnit.LINE)).iterator();
        List<Long> numbers = new ArrayList<>();
        lines.forEachRemaining(document -> numbers.add(document.line()));
        assertEquals(List.of(1L, 2L, 5L, 7L), numbers);
        assertEquals(3, lines.report().emptyDocuments());
    }

    @Test
    void aLongTextComesInPiecesThatJoin() throws IOException {
        String text = new Tales(3).text(3_500_000);
        write("long.txt", text);
        write("long.jsonl", "{\"text\":\"" + text.replace("\"", "\\\"").replace("\n", "\\n") + "\"}");
        for (String name : List.of("long.txt", "long.jsonl")) {
            Documents.Cursor pass = Documents.open(
                            DataConfig.files(folder.resolve(name).toString()))
                    .iterator();
            List<Document> pieces = new ArrayList<>();
            pass.forEachRemaining(pieces::add);
            assertTrue(pieces.size() >= 4, pieces.size() + " pieces");
            StringBuilder joined = new StringBuilder();
            for (int i = 0; i < pieces.size(); i++) {
                assertEquals(i == 0, pieces.get(i).first());
                assertEquals(i == pieces.size() - 1, pieces.get(i).last());
                joined.append(pieces.get(i).text());
            }
            assertEquals(text, joined.toString());
            assertEquals(1, pass.report().documents());
            assertEquals(text.length(), pass.report().characters());
        }
    }

    @Test
    void surrogatePairsAreNeverCut() throws IOException {
        String text = "\uD83D\uDE00".repeat(1_300_001);
        write("faces.txt", text);
        List<String> pieces = read("faces.txt");
        assertEquals(text, String.join("", pieces));
        for (String piece : pieces) {
            assertTrue(!Character.isLowSurrogate(piece.charAt(0)), "a piece starts inside a character");
        }
    }

    @Test
    void invalidBytesAreReplacedAndCounted() throws IOException {
        byte[] text = "Once there was a caf\u00e9 by the sea, and it was open.".getBytes(StandardCharsets.ISO_8859_1);
        write("latin.txt", text);
        byte[] json = "{\"text\":\"caf\u00e9 \\ud800 end\"}".getBytes(StandardCharsets.ISO_8859_1);
        write("latin.jsonl", json);
        Documents.Cursor pass =
                Documents.open(DataConfig.files(folder.toString())).iterator();
        List<String> texts = new ArrayList<>();
        pass.forEachRemaining(document -> texts.add(document.text()));
        assertEquals("caf\uFFFD \uFFFD end", texts.getFirst());
        assertTrue(texts.getLast().contains("caf\uFFFD by the sea"));
        assertEquals(3, pass.report().replacedSequences());
        Path list = write(
                "latin.json",
                "[{\"instruction\":\"caf\u00e9\",\"id\":\"\u00e9\",\"output\":\"caf\u00e9 \\ud800 end\"}]"
                        .getBytes(StandardCharsets.ISO_8859_1));
        Documents.Cursor rows =
                Documents.open(DataConfig.files(list.toString())).iterator();
        assertTrue(rows.next().text().contains("caf\uFFFD\n"));
        assertEquals("caf\uFFFD \uFFFD end", rows.next().text());
        assertTrue(!rows.hasNext());
        assertEquals(4, rows.report().replacedSequences());
    }

    @Test
    void aByteOrderMarkIsNoText() throws IOException {
        write("mark.txt", "\uFEFFhello");
        assertEquals(List.of("hello"), read("mark.txt"));
        write("mark.jsonl", "\uFEFF{\"text\":\"hello\"}");
        assertEquals(List.of("hello"), read("mark.jsonl"));
        write("mark.json", "\uFEFF[{\"instruction\":\"Greet.\",\"output\":\"hello\"}]");
        assertEquals("hello", read("mark.json").getLast());
    }

    @Test
    void whatIsMissingIsNamed() throws IOException {
        refused(ExitCode.BAD_INPUT, () -> read("none.txt"), "none.txt", "no such file");
        refused(ExitCode.BAD_INPUT, () -> read("*.txt"), "*.txt", "no file matches");
        refused(ExitCode.BAD_INPUT, () -> read("none/*.txt"), "no folder");
        refused(ExitCode.BAD_INPUT, () -> read(""), "no file in this folder");
        write("empty.txt", "");
        refused(ExitCode.BAD_INPUT, () -> read("empty.txt"), "empty.txt", "0 bytes");
        write("hollow.txt.gz", "");
        refused(ExitCode.BAD_INPUT, () -> read("hollow.txt.gz"), "hollow.txt.gz", "no text");
        write("blank.jsonl", "\n\n{\"text\":\"\"}\n");
        refused(ExitCode.BAD_INPUT, () -> read("blank.jsonl"), "no text", "1 empty");
        write("page.html", "<p>");
        refused(ExitCode.BAD_INPUT, () -> read("page.html"), "page.html", ".jsonl");
        refused(ExitCode.BAD_INPUT, () -> read("[.txt"), "glob");
    }

    @Test
    void binaryDataIsRefused() throws IOException {
        byte[] zeros = new byte[5000];
        Arrays.fill(zeros, 0, 3000, (byte) 'a');
        write("zeros.txt", zeros);
        refused(ExitCode.FAILED, () -> read("zeros.txt"), "zeros.txt", "NUL byte at offset 3,000");
        write("zeros.jsonl", "{\"text\":\"a\"}\n\0\0");
        refused(ExitCode.FAILED, () -> read("zeros.jsonl"), "zeros.jsonl:2", "NUL");
        byte[] junk = new byte[20_000];
        for (int i = 0; i < junk.length; i++) {
            junk[i] = (byte) (0x80 | i % 100);
        }
        write("junk.txt", junk);
        refused(ExitCode.FAILED, () -> read("junk.txt"), "junk.txt", "invalid UTF-8");
        write("wide.txt", "hello".getBytes(StandardCharsets.UTF_16));
        refused(ExitCode.FAILED, () -> read("wide.txt"), "UTF-16");
        write("wide.json", "[]".getBytes(StandardCharsets.UTF_16));
        refused(ExitCode.FAILED, () -> read("wide.json"), "UTF-16");
        write("zeros.json", zeros);
        refused(ExitCode.FAILED, () -> read("zeros.json"), "zeros.json", "NUL byte at offset 3,000");
    }

    @Test
    void badJsonNamesItsLine() throws IOException {
        write("field.jsonl", "{\"title\":\"a\",\"body\":\"b\"}");
        refused(ExitCode.BAD_INPUT, () -> read("field.jsonl"), "field.jsonl:1", "no field 'text'", "[title, body]");
        assertEquals(
                List.of("b"),
                read(DataConfig.files(folder.resolve("field.jsonl").toString()).withField("body")));
        write("half.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\n");
        refused(ExitCode.FAILED, () -> read("half.jsonl"), "half.jsonl:2", "not valid JSON");
        write("list.jsonl", "[1]\n");
        refused(ExitCode.FAILED, () -> read("list.jsonl"), "list.jsonl:1", "found a list");
        write("number.jsonl", "{\"text\":5}\n");
        refused(ExitCode.FAILED, () -> read("number.jsonl"), "'text' holds a number");
        write("two.jsonl", "{\"text\":\"a\"} {\"text\":\"b\"}\n");
        refused(ExitCode.FAILED, () -> read("two.jsonl"), "more than one");
        write("deep.jsonl", "{\"x\":" + "[".repeat(1_000_000));
        refused(ExitCode.FAILED, () -> read("deep.jsonl"), "deep.jsonl:1", "not valid JSON");
    }

    @Test
    void damagedCompressionIsRefused() throws IOException {
        for (String ending : List.of("gz", "zst")) {
            Path whole = write("whole.txt." + ending, new Tales(1).text(300_000));
            byte[] bytes = Files.readAllBytes(whole);
            Path cut = folder.resolve("cut.txt." + ending);
            Files.write(cut, Arrays.copyOf(bytes, bytes.length / 2));
            refused(ExitCode.FAILED, () -> read(cut.toString()), "cut.txt." + ending, "truncated");
            Path wrong = folder.resolve("wrong.txt." + ending);
            Files.writeString(wrong, "this is plain text and not compressed at all");
            refused(ExitCode.FAILED, () -> read(wrong.toString()), "wrong.txt." + ending, "corrupt or misnamed");
            bytes[bytes.length / 2] ^= 0x55;
            Path flipped = folder.resolve("flipped.txt." + ending);
            Files.write(flipped, bytes);
            refused(ExitCode.FAILED, () -> read(flipped.toString()), "flipped.txt." + ending);
        }
    }
}
