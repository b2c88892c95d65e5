package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Tales;

class DataPrepareTest {
    @TempDir
    private Path folder;

    private Path recipe;

    @BeforeEach
    void corpus() throws IOException {
        Files.writeString(folder.resolve("tales.txt"), new Tales(1).text(50_000));
        recipe = Files.writeString(folder.resolve("recipe.yaml"), """
                prepare:
                  sources: [{path: '%s/tales.txt', unit: paragraph}]
                  stages: [{type: length, min_words: 10}]
                  output_dir: '%s/out'
                """.formatted(folder, folder));
    }

    @Test
    void jsonTellsWhatWasDone() {
        Cli first = Cli.run(
                "data", "prepare", recipe.toString(), "--json", "prepare.tokenizer={type: bpe, vocab_size: 300}");
        assertEquals(0, first.code(), first.err());
        assertTrue(first.json().path("documents").asLong(0) > 20, first.out());
        assertEquals("length", first.json().path("stages").path(1).path("type").asString(""));
        assertTrue(first.json().path("tokens").path("train").asLong(0) > 5_000, first.out());
        assertTrue(Files.exists(folder.resolve("out/report.html")));
        Cli again = Cli.run("data", "prepare", recipe.toString(), "--json");
        assertTrue(again.json().path("stages").path(1).path("cached").asBoolean(false), again.out());
        assertFalse(again.json().has("tokens") && !again.json().path("tokens").isNull(), again.out());
    }

    @Test
    void mistakesAreOneLine() throws IOException {
        Cli none = Cli.run("data", "prepare");
        assertEquals(2, none.code());
        assertTrue(none.err().contains("no recipe is named"), none.err());
        Cli empty = Cli.run("data", "prepare", recipe.toString(), "prepare.stages=[{type: length, min_words: 100000}]");
        assertEquals(2, empty.code());
        assertTrue(empty.err().contains("no document is left after 'length'"), empty.err());
        assertEquals(1, empty.err().strip().lines().count());
        Path other = Files.writeString(folder.resolve("other.yaml"), Files.readString(recipe) + "seed: 1\n");
        Cli key = Cli.run("data", "prepare", other.toString());
        assertTrue(key.err().contains("unknown key 'seed'"), key.err());
    }

    @Test
    void dataAloneShowsItsVerbs() {
        Cli help = Cli.run("data");
        assertEquals(0, help.code());
        assertTrue(help.out().contains("prepare"), help.out());
    }
}
