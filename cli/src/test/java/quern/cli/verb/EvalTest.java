package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.BpeTrainer;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.models.SaveOptions;
import quern.models.SpecialTokens;
import quern.recipe.RecipeFile;
import quern.tensor.DType;
import quern.tensor.Device;
import tools.jackson.databind.JsonNode;

class EvalTest {
    /** Doubles computed by other expressions of the same numbers. */
    private static final double ROUNDING = 1e-9;

    /** Sums of fp32 log-probabilities in windows of other shapes. */
    private static final double BATCHING = 1e-5;

    @TempDir
    static Path folder;

    private static Path model;
    private static Path text;

    @BeforeAll
    static void make() throws IOException {
        model = Cli.model(folder.resolve("model"));
        text = Files.writeString(folder.resolve("text.txt"), Cli.TEXT);
    }

    @Test
    void printsExactlyFourFigures() {
        Cli cli = Cli.run("eval", model.toString(), "--data", text.toString(), "--json");
        assertEquals(0, cli.code(), cli.err());
        JsonNode json = cli.json();
        assertEquals(
                List.of("loss", "perplexity", "bits_per_byte", "tokens"),
                json.properties().stream().map(Map.Entry::getKey).toList());
        double loss = json.path("loss").asDouble();
        // New weights of this size know nothing: the loss is near that of a uniform guess.
        assertEquals(Math.log(27), loss, 1);
        assertEquals(Math.exp(loss), json.path("perplexity").asDouble(), ROUNDING * Math.exp(loss));
        // A token is a character of one byte here, and every one but the first is predicted.
        long tokens = Cli.TEXT.length() - 1;
        assertEquals(tokens, json.path("tokens").asLong());
        double bits = loss * tokens / Math.log(2) / Cli.TEXT.length();
        assertEquals(bits, json.path("bits_per_byte").asDouble(), ROUNDING * bits);
    }

    @Test
    void theBatchSizeChangesNothing() {
        double one = loss("--batch-size", "1");
        assertEquals(one, loss("--batch-size", "5"), BATCHING * one);
    }

    @Test
    void theWindowMatters() {
        assertTrue(Math.abs(loss("--max-length", "2") - loss()) > 1e-4);
    }

    private static double loss(String... more) {
        String[] all = new String[5 + more.length];
        System.arraycopy(new String[] {"eval", model.toString(), "--json", "--data", text.toString()}, 0, all, 0, 5);
        System.arraycopy(more, 0, all, 5, more.length);
        Cli cli = Cli.run(all);
        assertEquals(0, cli.code(), cli.err());
        return cli.json().path("loss").asDouble();
    }

    @Test
    void severalFilesAndFoldersCountAsOneText() throws IOException {
        Path more = Files.createDirectories(folder.resolve("more"));
        Files.writeString(more.resolve("a.txt"), "a fox");
        Files.writeString(more.resolve("b.jsonl"), "{\"story\":\"it ran\"}\n");
        Cli cli = Cli.run(
                "eval",
                model.toString(),
                "--data",
                more.toString(),
                "--data",
                text.toString(),
                "--field",
                "story",
                "--json");
        assertEquals(0, cli.code(), cli.err());
        assertEquals(
                "a foxit ran".length() + Cli.TEXT.length() - 1,
                cli.json().path("tokens").asLong());
    }

    @Test
    void withoutJsonATable() {
        Cli cli = Cli.run("eval", model.toString(), "--data", text.toString());
        assertEquals(0, cli.code(), cli.err());
        for (String name : List.of("loss", "perplexity", "bits per byte", "tokens", "windows of 32 tokens")) {
            assertTrue(cli.out().contains(name), cli.out());
        }
    }

    @Test
    void rowsOfAnswersAreCutAndThatIsSaid() throws IOException {
        Path trained = folder.resolve("answers");
        Path rows = Files.writeString(
                folder.resolve("rows.jsonl"),
                "{\"instruction\": \"Go on.\", \"output\": \"%s\"}\n{\"instruction\": \"Stop.\", \"output\": \"no\"}\n"
                        .formatted("a fox ran and ".repeat(100)));
        instructed(trained, rows);
        Cli cli = Cli.run("eval", trained.toString(), "--data", rows.toString());
        assertEquals(0, cli.code(), cli.err());
        assertTrue(cli.out().contains("answers in rows of 256 tokens, longer rows cut"), cli.out());
        assertFalse(cli.out().contains("windows"), cli.out());
        assertTrue(cli.err().contains("1 of 2 documents are longer than max_length 256 and lose "), cli.err());
    }

    /** A model that knows the tokens of rows and where an answer ends. */
    private static void instructed(Path folder, Path rows) throws IOException {
        Tokenizer tokenizer = new BpeTrainer()
                .train(List.of(Files.readString(rows)), BpeTrainer.Config.of(300))
                .tokenizer();
        ModelSpec spec = ModelSpec.fromRecipe(
                RecipeFile.load(
                        "test", "{family: gpt2, n_layer: 1, n_head: 2, n_embd: 16, n_positions: 256}", List.of()),
                tokenizer.vocabularySize(),
                new SpecialTokens(tokenizer.endOfText(), tokenizer.endOfText(), OptionalInt.empty()));
        try (LanguageModel made = LanguageModel.create(spec, DType.FP32, Device.CPU, 7)) {
            made.save(folder, SaveOptions.DEFAULT);
        }
        tokenizer.save(folder);
    }

    @Test
    void badInputIsOneLineAndExitCode2() throws IOException {
        Path empty = Files.writeString(folder.resolve("empty.txt"), "");
        Path one = Files.writeString(folder.resolve("one.txt"), "a");
        Path bare = Cli.model(folder.resolve("bare"));
        Files.delete(bare.resolve("tokenizer.json"));
        refused(folder + ": no config.json in it", folder, text);
        refused(folder.resolve("no") + ": no such folder", folder.resolve("no"), text);
        refused(empty + ": the file is empty", model, empty);
        refused(one + ": 1 tokens, too short", model, one);
        refused(folder.resolve("no.txt") + ": no such file", model, folder.resolve("no.txt"));
        refused(bare + ": no tokenizer.json", bare, text);
        refused("max_length: 33 tokens", model, text, "--max-length", "33");
        refused("--max-length: expected 1 or more", model, text, "--max-length", "0");
        refused("--batch-size: expected 1 or more", model, text, "--batch-size", "0");
    }

    private static void refused(String start, Path model, Path data, String... more) {
        String[] all = new String[4 + more.length];
        System.arraycopy(new String[] {"eval", model.toString(), "--data", data.toString()}, 0, all, 0, 4);
        System.arraycopy(more, 0, all, 4, more.length);
        Cli cli = Cli.run(all);
        assertEquals(2, cli.code(), cli.err());
        assertTrue(cli.error().startsWith("quern: error: " + start), cli.err());
        assertEquals("", cli.out());
    }
}
