package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChatTest {
    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void make() {
        model = Cli.model(folder.resolve("model"));
    }

    private static Cli chat(String input, String... more) {
        String[] all = new String[5 + more.length];
        System.arraycopy(
                new String[] {"chat", model.toString(), "--max-new-tokens", "4", "do_sample=true"}, 0, all, 0, 5);
        System.arraycopy(more, 0, all, 5, more.length);
        return Cli.withInput(input, all);
    }

    @Test
    void everyLineGetsAReply() {
        Cli cli = chat("fox\n\nran\n", "seed=1");
        assertEquals(0, cli.code(), cli.err());
        assertEquals(2, cli.out().chars().filter(c -> c == '\n').count(), cli.out());
        assertEquals(cli.out(), chat("fox\n\nran\n", "seed=1").out());
        assertNotEquals(cli.out(), chat("fox\n\nran\n", "seed=2").out());
    }

    @Test
    void theReplyIsWhatGenerateMakesOfThePlainFormat() {
        String reply = Cli.withInput("fox", "chat", model.toString(), "--greedy", "--max-new-tokens", "4")
                .out()
                .strip();
        Cli generate = Cli.run(
                "generate",
                model.toString(),
                "--greedy",
                "--max-new-tokens",
                "4",
                "--json",
                "--prompt",
                "User: fox\nAssistant:");
        assertEquals(generate.json().path("text").asString().strip(), reply);
    }

    /** The context has room for one or two such turns; the conversation goes on for many. */
    @Test
    void oldTurnsAreForgotten() {
        Cli cli = chat("fox\n".repeat(6), "seed=1");
        assertEquals(0, cli.code(), cli.err());
        assertEquals(6, cli.out().chars().filter(c -> c == '\n').count(), cli.out());
    }

    @Test
    void aMessageLongerThanTheContextIsBadInput() {
        Cli cli = chat("a".repeat(40) + "\n");
        assertEquals(2, cli.code(), cli.err());
        assertTrue(cli.error().startsWith("quern: error: the message has "), cli.err());
    }

    @Test
    void aTemplateThatIsNotAppliedIsSaid() throws IOException {
        Path with = Cli.model(folder.resolve("with"));
        Files.writeString(with.resolve("chat_template.jinja"), "{{ messages }}");
        Cli cli = Cli.run("chat", with.toString());
        assertEquals(0, cli.code(), cli.err());
        assertEquals(
                List.of(with.resolve("chat_template.jinja")
                        + ": this version can't apply it; messages go in the plain format of 'quern chat --help'"),
                cli.err().lines().limit(1).toList());
    }
}
