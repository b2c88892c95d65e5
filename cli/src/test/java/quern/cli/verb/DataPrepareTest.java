package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.cli.Main;
import quern.data.Tales;
import quern.testkit.ChildJvm;
import quern.testkit.RepositoryFiles;

class DataPrepareTest {
    private static final Duration LONG = Duration.ofMinutes(2);

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
    void ctrlCSaysWhatIsKeptAndTheSameCommandGoesOn() throws IOException {
        Path large = Files.writeString(folder.resolve("large.txt"), new Tales(2).text(20_000_000));
        String[] command = {
            "data", "prepare", recipe.toString(), "prepare.sources=[{path: '%s', unit: paragraph}]".formatted(large)
        };
        try (ChildJvm child = ChildJvm.of(Main.class, command)
                .jvmArgs("-Dquern.home=" + RepositoryFiles.root())
                .start()) {
            child.awaitLine(line -> line.startsWith("read:"), LONG);
            child.interrupt();
            ChildJvm.Result result = child.awaitExit(LONG);
            assertEquals(130, result.exitCode(), result.stderr());
            assertTrue(
                    result.stdout()
                            .contains("Stopped; what was done so far is kept in %s. The same command goes on."
                                    .formatted(folder.resolve("out"))),
                    result.stdout());
        }
        Cli again =
                Cli.run(Stream.concat(Stream.of(command), Stream.of("--json")).toArray(String[]::new));
        assertEquals(0, again.code(), again.err());
        assertTrue(again.json().path("stages").path(0).path("cached").asBoolean(false), again.out());
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
