package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import quern.cli.Quern;
import quern.data.Tokenizer;

/** {@code quern tokenizer}: train, encode, inspect. */
class TokenizerVerbTest {
    private static final String TEXT = "the fox and the hen\nthe fox ran and the hens ran\n".repeat(20);

    @TempDir
    Path folder;

    private Path text() throws IOException {
        return Files.writeString(folder.resolve("text.txt"), TEXT);
    }

    private Path trained(String type, int size) throws IOException {
        Path out = folder.resolve(type);
        Cli made = Cli.run(
                "tokenizer", "train", "--type", type, "--vocab-size", "" + size, "--output", "" + out, "" + text());
        assertEquals(0, made.code(), made.err());
        return out;
    }

    @ParameterizedTest
    @CsvSource({"bpe,270", "wordpiece,40", "unigram,30"})
    void trainsFromFiles(String type, int size) throws IOException {
        Path out = trained(type, size);
        Tokenizer tokenizer = Tokenizer.load(out);
        assertTrue(tokenizer.vocabularySize() <= size, "" + tokenizer.vocabularySize());
        assertTrue(Files.exists(out.resolve("tokenizer_config.json")));
        Cli encoded = Cli.run("tokenizer", "encode", "" + out, "--text", "the fox", "--json");
        int[] ids = tokenizer.encode("the fox");
        assertEquals(ids.length, encoded.json().path(0).path("ids").size());
        assertEquals(ids[0], encoded.json().path(0).path("ids").path(0).asInt());
    }

    @Test
    void settingsAreOverrides() throws IOException {
        Path out = folder.resolve("few");
        Cli made = Cli.run(
                "tokenizer",
                "train",
                "--type=bpe",
                "--vocab-size=400",
                "min_frequency=1000000",
                "special_tokens=[<a>]",
                "--output=" + out,
                "" + text(),
                "--json");
        assertEquals(257, made.json().path("tokens").asInt(), made.err());
        Cli wrong = Cli.run("tokenizer", "train", "--type=bpe", "min_freq=1", "--output=" + out, "" + text());
        assertEquals(2, wrong.code());
        assertTrue(wrong.error().contains("min_freq"), wrong.error());
    }

    @Test
    void trainsARecipesTokenizer() throws IOException {
        Path recipe = Files.writeString(folder.resolve("recipe.yaml"), """
                output_dir: %s
                model: {family: gpt2}
                tokenizer: {type: bpe, vocab_size: 270, added_tokens: [<thought>]}
                data: {path: %s}
                max_steps: 1
                """.formatted(folder.resolve("run"), text()));
        Path out = folder.resolve("of-recipe");
        Cli made = Cli.run("tokenizer", "train", "" + recipe, "--output", "" + out);
        assertEquals(0, made.code(), made.err());
        Tokenizer tokenizer = Tokenizer.load(out);
        assertEquals(1, tokenizer.encode("<thought>").length);
        assertEquals(tokenizer.vocabularySize() - 1, tokenizer.encode("<thought>")[0]);
    }

    @Test
    void encodesFilesLineByLineAndCountsWhatItReplaced() throws IOException {
        Path out = trained("bpe", 270);
        byte[] broken = "the fox\n\u0000 hen\n".getBytes(StandardCharsets.UTF_8);
        broken[8] = (byte) 0xff;
        Path file = Files.write(folder.resolve("broken.txt"), broken);
        Cli encoded = Cli.run("tokenizer", "encode", "" + out, "" + file);
        assertEquals(0, encoded.code(), encoded.err());
        assertEquals(2, encoded.out().lines().count());
        assertTrue(encoded.err().contains("1 invalid UTF-8 sequences became U+FFFD"), encoded.err());
    }

    @Test
    void aListOfManyTextsIsPrintedAsTheyCome() throws IOException {
        Path out = trained("bpe", 270);
        String line = "the fox and the hen ".repeat(50) + "\n";
        Path file = Files.writeString(folder.resolve("many.txt"), line.repeat(6_000));
        long[] seen = {0, 0};
        Cli encoded = Cli.run("tokenizer", "encode", "" + out, "--json", "--text", "a fox", "" + file);
        assertEquals(0, encoded.code(), encoded.err());
        assertEquals(6_001, encoded.json().size());
        assertEquals("a fox", encoded.json().path(0).path("text").asString());
        CommandLine command = Quern.commandLine();
        command.setOut(new PrintWriter(new Writer() {
            @Override
            public void write(char[] text, int from, int length) {
                seen[0] = Math.max(seen[0], length);
                seen[1] += length;
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        }));
        assertEquals(0, command.execute("tokenizer", "encode", "" + out, "--json", "" + file));
        assertTrue(seen[1] > 10_000_000 && seen[0] < 100_000, seen[0] + " of " + seen[1] + " characters at once");
    }

    @Test
    void outputIsAFolder() throws IOException {
        Cli made = Cli.run("tokenizer", "train", "--type=bpe", "--vocab-size=270", "--output=" + text(), "" + text());
        assertEquals(2, made.code());
        assertTrue(made.error().contains("is a file, expected a folder; name another one"), made.error());
    }

    @Test
    void whoEncodesIsSaid() throws IOException {
        Cli own = Cli.run("tokenizer", "inspect", "" + trained("bpe", 270));
        assertTrue(own.out().contains("encoded by Quern"), own.out());
        Cli library = Cli.run("tokenizer", "inspect", "" + trained("unigram", 30));
        assertTrue(library.out().contains("library: the file has model Unigram"), library.out());
    }

    @Test
    void showsHowATextIsCut() throws IOException {
        Path out = trained("wordpiece", 40);
        Cli shown = Cli.run("tokenizer", "inspect", "" + out, "--text", "the hens");
        assertEquals(0, shown.code(), shown.err());
        assertTrue(shown.out().startsWith("WordPiece, "), shown.out());
        assertTrue(shown.out().contains("the|"), shown.out());
        Cli json = Cli.run("tokenizer", "inspect", "" + out, "--text", "the hens", "--json");
        assertEquals(
                "the",
                json.json()
                        .path("texts")
                        .path(0)
                        .path("tokens")
                        .path(0)
                        .path("token")
                        .asString());
        assertEquals(5, json.json().path("special_tokens").size());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--type=bpe --vocab-size=100",
                "--type=wordpiece --vocab-size=12",
                "--type=unigram --vocab-size=12",
                "--type=unigram --vocab-size=2",
                "--type=bpe --vocab-size=300 special_tokens=[<a>,<a>]",
                "--type=wordpiece --vocab-size=300 special_tokens=[<a>,<a>]",
                "--type=unigram --vocab-size=300 special_tokens=[<a>,<a>]",
                "--type=nonsense --vocab-size=300"
            })
    void whatCanNotBeIsOneLine(String arguments) throws IOException {
        Cli refused = Cli.run(
                ("tokenizer train " + arguments + " --output=" + folder.resolve("x") + " " + text()).split(" "));
        assertEquals(2, refused.code(), refused.out());
        assertEquals(1, refused.err().strip().lines().count(), refused.err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"bpe", "wordpiece", "unigram", "char"})
    void anEmptyCorpusIsOneLine(String type) throws IOException {
        Path empty = Files.writeString(folder.resolve("empty.txt"), "");
        Cli refused = Cli.run("tokenizer", "train", "--type", type, "--output", "" + folder.resolve("x"), "" + empty);
        assertEquals(2, refused.code(), refused.out());
        assertEquals(1, refused.err().strip().lines().count(), refused.err());
        Path blank = Files.writeString(folder.resolve("blank.txt"), "\u0001\n");
        if (type.equals("wordpiece")) {
            Cli nothing =
                    Cli.run("tokenizer", "train", "--type", type, "--output", "" + folder.resolve("x"), "" + blank);
            assertEquals(2, nothing.code(), nothing.out());
            assertTrue(nothing.error().contains("nothing that a tokenizer can learn"), nothing.error());
        }
    }
}
