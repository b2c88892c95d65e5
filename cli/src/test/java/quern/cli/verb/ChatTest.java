package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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

    /** The tokenizer knows the characters of {@link Cli#TEXT} only. */
    private static final String TEMPLATE =
            "{% for m in messages %}{{ m.role[0] }}: {{ m.content }};{% endfor %}{% if add_generation_prompt %}a: {% endif %}";

    @Test
    void theFoldersTemplateMakesThePrompt() throws IOException {
        Path with = Cli.model(folder.resolve("with"));
        Files.writeString(with.resolve("chat_template.jinja"), TEMPLATE);
        String[] settings = {"--greedy", "--max-new-tokens", "4"};
        String reply = Cli.withInput("fox", "chat", with.toString(), settings[0], settings[1], settings[2])
                .out()
                .strip();
        Cli generate = Cli.run(
                "generate",
                with.toString(),
                "--greedy",
                "--max-new-tokens",
                "4",
                "--json",
                "--message",
                "fox",
                "--instruction",
                "fox",
                "--prompt",
                "u: fox;a: ");
        assertEquals(0, generate.code(), generate.err());
        for (int i = 0; i < 3; i++) {
            assertEquals("u: fox;a: ", generate.json().path(i).path("prompt").asString());
        }
        assertEquals(reply, generate.json().path(1).path("text").asString().strip());
    }

    @Test
    void aTemplateThatRefusesIsOneLine() throws IOException {
        Path with = Cli.model(folder.resolve("refuses"));
        Files.writeString(with.resolve("chat_template.jinja"), "\n{{ raise_exception('no talk') }}");
        Cli cli = Cli.withInput("fox", "chat", with.toString());
        assertEquals(2, cli.code(), cli.err());
        assertEquals(
                "quern: error: " + with.resolve("chat_template.jinja")
                        + ":2: the template refuses the conversation (no talk)",
                cli.error());
        Files.writeString(with.resolve("chat_template.jinja"), "{% if %}");
        assertTrue(Cli.withInput("fox", "chat", with.toString())
                .error()
                .contains("chat_template.jinja:1: not a usable chat template"));
    }

    @Test
    void aMessageNeedsATemplate() {
        Cli cli = Cli.run("generate", model.toString(), "--message", "fox");
        assertEquals(2, cli.code(), cli.err());
        assertEquals(
                "quern: error: --message: " + model
                        + " has no chat template (chat_template.jinja); give --prompt TEXT, or put the model's template there",
                cli.error());
    }
}
