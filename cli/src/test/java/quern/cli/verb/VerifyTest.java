package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.testkit.RepositoryFiles;
import tools.jackson.databind.JsonNode;

class VerifyTest {
    @TempDir
    Path folder;

    private static String golden(String name) {
        return RepositoryFiles.existing("goldens", name).toString();
    }

    @Test
    void aRowACase() {
        Cli cli =
                Cli.run("verify", golden("model-gpt2-tied"), golden("schedule-linear"), golden("optimizer-adam-plain"));
        assertEquals(0, cli.code(), cli.err() + cli.out());
        List<String> lines = cli.out().lines().toList();
        assertEquals(5, lines.size(), cli.out());
        assertTrue(lines.get(1).matches("model +gpt2-tied .* ok"), cli.out());
        assertEquals("3 of 3 cases hold", lines.get(4));
    }

    @Test
    void jsonListsEveryCheck() {
        Cli cli = Cli.run("verify", "--json", golden("model-gpt2-tied"));
        assertEquals(0, cli.code(), cli.err());
        JsonNode result = cli.json().path(0);
        assertEquals(
                List.of("kind", "name", "checks", "ok"),
                result.properties().stream().map(Map.Entry::getKey).toList());
        assertEquals(
                List.of("logits", "loss", "grads", "greedy_cached", "greedy_uncached", "save_load", "losses"),
                result.path("checks")
                        .valueStream()
                        .map(check -> check.path("check").asString())
                        .toList());
        assertEquals(
                List.of("check", "error", "tolerance", "ok"),
                result.path("checks").path(0).properties().stream()
                        .map(Map.Entry::getKey)
                        .toList());
    }

    @Test
    void aCaseThatDoesNotHoldIsExitCode1() throws IOException {
        Path wrong = Files.createDirectories(folder.resolve("wrong"));
        String json = Files.readString(Path.of(golden("schedule-linear"), "case.json"));
        String changed = json.replaceFirst("\"learning_rate\": ?[0-9.e-]+", "\"learning_rate\": 0.5");
        assertFalse(changed.equals(json));
        Files.writeString(wrong.resolve("case.json"), changed);
        Cli cli = Cli.run("verify", folder.toString(), golden("schedule-constant"));
        assertEquals(1, cli.code(), cli.err());
        assertTrue(cli.out().contains("FAILED"), cli.out());
        assertTrue(cli.out().endsWith("1 of 2 cases FAILED\n"), cli.out());
        JsonNode result = Cli.run("verify", "--json", folder.toString()).json();
        assertFalse(result.path(0).path("ok").asBoolean(true));
    }

    @Test
    void badFoldersAreBadInput() throws IOException {
        Cli none = Cli.run("verify", folder.toString());
        assertEquals(2, none.code());
        assertEquals(
                "quern: error: " + folder + ": no golden case in it; a case is a folder with case.json", none.error());
        assertEquals(2, Cli.run("verify", folder.resolve("no").toString()).code());
        assertEquals(2, Cli.run("verify").code());
        Files.writeString(folder.resolve("case.json"), "{\"kind\":\"modell\",\"name\":\"n\"}");
        Cli kind = Cli.run("verify", folder.toString());
        assertEquals(2, kind.code());
        assertTrue(kind.error().contains("unknown kind 'modell' (did you mean 'model'?)"), kind.err());
    }
}
