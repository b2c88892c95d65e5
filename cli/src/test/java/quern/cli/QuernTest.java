package quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.Technique;
import quern.recipe.Techniques;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class QuernTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @BeforeEach
    void home() {
        System.setProperty("quern.home", System.getProperty("quern.root"));
    }

    private int quern(String... arguments) {
        out.reset();
        err.reset();
        return Quern.execute(arguments, stream(out), stream(err));
    }

    private static PrintStream stream(ByteArrayOutputStream bytes) {
        return new PrintStream(bytes, true, StandardCharsets.UTF_8);
    }

    private String out() {
        return out.toString(StandardCharsets.UTF_8);
    }

    private String err() {
        return err.toString(StandardCharsets.UTF_8);
    }

    /** A verb that fails as it is told to, and keeps what it was given. */
    @Command(name = "fail")
    static final class Fail implements Verb {
        @Mixin
        RecipeArguments arguments;

        private final Exception failure;

        Fail(Exception failure) {
            this.failure = failure;
        }

        @Override
        public ExitCode run() throws Exception {
            if (failure != null) {
                throw failure;
            }
            arguments.recipe();
            arguments.overrides();
            return ExitCode.STOPPED;
        }
    }

    private int fail(Exception failure, String... arguments) {
        StringWriter text = new StringWriter();
        CommandLine line = Quern.commandLine().addSubcommand(new Fail(failure)).setErr(new PrintWriter(text, true));
        int code = line.execute(arguments);
        err.reset();
        err.writeBytes(text.toString().getBytes(StandardCharsets.UTF_8));
        return code;
    }

    @Test
    void failuresAreOneLineWithTheirExitCode() {
        assertEquals(2, fail(QuernException.badInput("corpus.txt: empty file"), "fail"));
        assertEquals("quern: error: corpus.txt: empty file\n", err());
        assertEquals(1, fail(QuernException.failed("model.safetensors: truncated"), "fail"));
        assertEquals(3, fail(QuernException.refused("step 17: the loss is NaN"), "fail"));
        assertEquals(130, fail(null, "fail"));
        assertEquals("", err());
    }

    @Test
    void whatAFileHoldsGivesATerminalNoOrders() {
        fail(QuernException.badInput("a.csv: found \u001b[2J\u0007\u009b31m and\ttabs"), "fail");
        assertEquals("quern: error: a.csv: found \uFFFD[2J\uFFFD\uFFFD31m and\ttabs\n", err());
    }

    @Test
    void unexpectedFailuresAreOneLineToo() {
        assertEquals(1, fail(new IllegalStateException("first\n  second"), "fail"));
        assertEquals("quern: error: IllegalStateException: first; second (--debug prints where)\n", err());
        assertEquals(1, fail(new UncheckedIOException(new NoSuchFileException("gone.txt")), "fail"));
        assertEquals("quern: error: gone.txt: no such file or folder (--debug prints where)\n", err());
        assertEquals(1, fail(new IOException("No space left on device"), "fail"));
        assertTrue(err().contains("No space left on device"), err());
    }

    @Test
    void debugPrintsTheStackTraceBeforeOrAfterTheVerb() {
        for (String[] arguments : new String[][] {{"fail", "--debug"}, {"--debug", "fail"}}) {
            assertEquals(1, fail(new IllegalStateException("x"), arguments));
            assertTrue(err().contains("\tat quern.cli.QuernTest"), err());
            assertTrue(err().endsWith("quern: error: IllegalStateException: x\n"), err());
        }
    }

    @Test
    void badUsageIsOneLineAndAHint() {
        assertEquals(2, quern("lsit"));
        assertEquals("quern: error: unknown verb 'lsit' (did you mean 'list'?)\nTry 'quern --help'.\n", err());
        assertEquals(2, quern("list", "--jsn"));
        assertTrue(err().contains("'--jsn'") && err().contains("'quern list --help'"), err());
        assertEquals(2, quern("completion", "tcsh"));
        assertEquals("", out());
    }

    @Test
    void helpNamesEveryVerbAndEveryVerbHasHelp() {
        assertEquals(0, quern());
        String help = out();
        for (String verb : Quern.commandLine().getSubcommands().keySet()) {
            assertTrue(help.contains("  " + verb + " "), verb);
            assertEquals(0, quern(verb, "--help"), verb);
            assertTrue(out().startsWith("Usage: quern " + verb), out());
        }
        assertEquals(0, quern("--version"));
        assertTrue(out().matches("quern \\d+\\.\\d+\\.\\d+ \\(Java 2[5-9].*\\)\\R"), out());
    }

    @Test
    void overridesArePlainOrAfterSet() {
        Fail verb = new Fail(null);
        Quern.commandLine()
                .addSubcommand(verb)
                .execute("fail", "optim=sgd", "--set", "data.path=a=b.txt", "runs/base.yaml", "model.num_layers=2");
        assertEquals(Optional.of(Path.of("runs/base.yaml")), verb.arguments.recipe());
        assertEquals(List.of("optim=sgd", "model.num_layers=2", "data.path=a=b.txt"), verb.arguments.overrides());

        assertEquals(2, fail(null, "fail", "a.yaml", "b.yaml"));
        assertTrue(err().contains("'a.yaml' and 'b.yaml'"), err());
        assertEquals(2, fail(null, "fail", "--set", "learning_rate"));
        assertTrue(err().contains("'learning_rate'"), err());
        assertEquals(130, fail(null, "fail", "./a=b.yaml"));
    }

    @Test
    void listShowsEveryTechniqueAndItsProof() {
        assertEquals(0, quern("list"));
        String plain = out();
        assertEquals(0, quern("list", "--json"));
        JsonNode list = JsonMapper.shared().readTree(out());
        assertEquals(Techniques.all().size(), list.size());
        for (JsonNode entry : list) {
            assertEquals(
                    new TreeSet<>(List.of("kind", "id", "summary", "proof")), new TreeSet<>(entry.propertyNames()));
            assertTrue(plain.contains(entry.get("id").asString()), plain);
            if (entry.get("id").asString().equals("adamw")) {
                assertTrue(entry.get("proof").size() > 0, "adamw has goldens");
            }
        }
        String kind = Techniques.all().stream().map(Technique::kind).findFirst().orElseThrow();
        assertEquals(0, quern("list", kind));
        assertTrue(out().startsWith(kind), out());
        assertEquals(2, quern("list", kind + "x"));
        assertTrue(err().contains("did you mean '" + kind + "'?"), err());
    }

    @Test
    void schemaIsAJsonSchema() {
        assertEquals(0, quern("schema"));
        JsonNode schema = JsonMapper.shared().readTree(out());
        assertEquals(
                "https://json-schema.org/draft/2020-12/schema",
                schema.get("$schema").asString());
        assertTrue(schema.get("properties").has("learning_rate"), "snake_case names");
    }

    @Test
    void completionKnowsTheVerbs() {
        for (String shell : new String[] {"bash", "zsh"}) {
            assertEquals(0, quern("completion", shell));
            assertTrue(out().contains("complete -F _complete_quern -o default quern"), shell);
            assertTrue(out().contains("doctor"), shell);
        }
    }

    @Test
    void doctorReportsEveryCheck() {
        int code = quern("doctor", "--json");
        JsonNode report = JsonMapper.shared().readTree(out());
        assertEquals(report.get("ok").asBoolean() ? 0 : 1, code);
        List<String> checks = report.get("checks")
                .valueStream()
                .map(check -> check.get("check").asString())
                .toList();
        assertEquals(
                List.of("quern", "java", "cpu", "kernels", "cores", "memory", "disk", "natives", "pictures"), checks);
        for (JsonNode check : report.get("checks")) {
            assertTrue(
                    List.of("ok", "warn", "fail").contains(check.get("status").asString()), check.toString());
            assertFalse(check.get("found").asString().isEmpty(), check.toString());
        }
        // This very test needs them, so they are there.
        for (String needed : new String[] {"java", "natives"}) {
            JsonNode check = report.get("checks").get(checks.indexOf(needed));
            assertEquals("ok", check.get("status").asString(), check.toString());
        }
    }
}
