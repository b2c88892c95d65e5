package quern.cli.verb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class GenerateTest {
    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void make() {
        model = Cli.model(folder.resolve("model"));
    }

    private static Cli generate(String... more) {
        List<String> all = new ArrayList<>(List.of("generate", model.toString()));
        all.addAll(List.of(more));
        return Cli.withInput("a fox", all.toArray(String[]::new));
    }

    private static JsonNode json(String... more) {
        List<String> all = new ArrayList<>(List.of(more));
        all.addAll(List.of("--json", "--prompt", "once"));
        Cli cli = generate(all.toArray(String[]::new));
        assertEquals(0, cli.code(), cli.err());
        return cli.json();
    }

    @Test
    void jsonHasTheTextAndWhyItEnded() {
        JsonNode json = json("--max-new-tokens", "12", "--seed", "5");
        assertEquals(
                List.of("prompt", "text", "tokens", "stop_reason", "tokens_per_sec"),
                json.properties().stream().map(Map.Entry::getKey).toList());
        assertEquals("once", json.path("prompt").asString());
        assertEquals(12, json.path("tokens").asInt());
        assertEquals("max_new_tokens", json.path("stop_reason").asString());
        assertTrue(json.path("tokens_per_sec").asDouble() > 0);
    }

    @Test
    void aSuffixNeedsAModelThatFillsIn() {
        Cli cli = generate("--prompt", "once", "--suffix", "the end");
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains("no sentinel tokens of a known name"), cli.err());
        Cli both = generate("--suffix", "the end", "--instruction", "tell");
        assertEquals(2, both.code());
        assertTrue(both.err().contains("--suffix: belongs to a prompt"), both.err());
    }

    @Test
    void aSeedRepeatsATextAndAnotherOneDoesNot() {
        String text = json("--seed", "5").path("text").asString();
        assertEquals(text, json("seed=5").path("text").asString());
        assertNotEquals(text, json("--seed", "6").path("text").asString());
    }

    @Test
    void withoutASeedTheDrawnOneIsPrintedAndRepeatsTheText() {
        Cli cli = generate("--prompt", "once", "--json");
        String seed =
                cli.err().lines().filter(l -> l.startsWith("seed ")).findFirst().orElseThrow();
        assertEquals(
                cli.json().path("text").asString(),
                json("--seed", seed.substring(5)).path("text").asString());
    }

    @Test
    void optionsAndSettingsMeanTheSame() {
        String text = json("temperature=0.3", "top_k=3", "top_p=0.9", "repetition_penalty=1.2", "seed=1")
                .path("text")
                .asString();
        assertEquals(
                text,
                json(
                                "--temperature",
                                "0.3",
                                "--top-k",
                                "3",
                                "--top-p",
                                "0.9",
                                "--repetition-penalty",
                                "1.2",
                                "--seed",
                                "1")
                        .path("text")
                        .asString());
        assertEquals(
                json("--greedy").path("text").asString(),
                json("do_sample=false").path("text").asString());
    }

    @Test
    void aStopStringEndsTheTextAndIsNotShown() {
        String text = json("--greedy").path("text").asString();
        String stop = text.substring(5, 7);
        JsonNode stopped = json("--greedy", "--stop", stop);
        assertEquals("stop_string", stopped.path("stop_reason").asString());
        assertEquals(text.substring(0, text.indexOf(stop)), stopped.path("text").asString());
    }

    @Test
    void aTurnsEndStopsTurnsAndNoOtherTexts() throws IOException {
        String text = json("--greedy").path("text").asString();
        String end = text.substring(5, 6);
        Path chats = Cli.model(folder.resolve("chats"));
        Files.writeString(
                chats.resolve("chat_template.jinja"),
                "{% for m in messages %}{{ m.content }}{% if m.role == 'assistant' %}" + end
                        + "{% endif %}{% endfor %}");
        Cli cli = Cli.run("generate", chats.toString(), "--greedy", "--json", "--prompt", "once", "--message", "once");
        assertEquals(text, cli.json().path(0).path("text").asString(), cli.err());
        assertEquals("stop_string", cli.json().path(1).path("stop_reason").asString());
        assertEquals(
                text.substring(0, text.indexOf(end)),
                cli.json().path(1).path("text").asString());
    }

    @Test
    void theFoldersOwnSettingsComeBeforeOurs() throws IOException {
        Path own = Cli.model(folder.resolve("own"));
        Files.writeString(own.resolve("generation_config.json"), "{\"do_sample\":false,\"max_new_tokens\":3}");
        Cli cli = Cli.run("generate", own.toString(), "--prompt", "once", "--json");
        assertEquals(3, cli.json().path("tokens").asInt());
        assertFalse(cli.err().contains("seed"), cli.err());
    }

    @Test
    void promptAndTextAppearOnStandardOutput() {
        String text = json("--greedy").path("text").asString();
        Cli cli = generate("--greedy", "--prompt", "once");
        assertEquals("once" + text + "\n", cli.out());
    }

    @Test
    void promptsComeFromFilesAndStandardInputToo() throws IOException {
        Path file = Files.writeString(folder.resolve("prompt.txt"), "it ran");
        Cli cli = generate(
                "--prompt", "once", "--prompt-file", file.toString(), "--prompt-file", "-", "--json", "--greedy");
        assertEquals(
                List.of("once", "it ran", "a fox"),
                cli.json().valueStream().map(r -> r.path("prompt").asString()).toList());
    }

    @Test
    void anEmptyPromptBeginsADocument() {
        Cli cli = generate("--prompt", "", "--greedy", "--max-new-tokens", "4", "--json");
        assertEquals(4, cli.json().path("tokens").asInt(), cli.err());
    }

    @Test
    void badInputIsOneLineAndExitCode2() {
        refused("--input: belongs to an instruction", "--prompt", "a", "--input", "b");
        refused("no prompt: give --prompt TEXT");
        refused("'foo' is no generation setting", "--prompt", "a", "foo");
        refused(
                "command line: tempratur=1: unknown key 'tempratur' (did you mean 'temperature'?)",
                "--prompt",
                "a",
                "tempratur=1");
        refused("command line: top_p=7.0: top_p: 7.0 is out of range", "--prompt", "a", "--top-p", "7");
        refused(
                "command line: temperature=0.5: temperature has no effect",
                "--prompt",
                "a",
                "--greedy",
                "--temperature",
                "0.5");
        refused(
                folder.resolve("no") + ": no such file",
                "--prompt-file",
                folder.resolve("no").toString());
        refused("--threads: expected 1 or more", "--prompt", "a", "--threads", "-1");
        refused("--device: expected cpu or cuda", "--prompt", "a", "--device", "tpu");
        refused("prompt 1 has 33 tokens, but the model was made for 32", "--prompt", "a".repeat(33));
    }

    private static void refused(String start, String... more) {
        Cli cli = generate(more);
        assertEquals(2, cli.code(), cli.err());
        assertTrue(cli.error().startsWith("quern: error: " + start), cli.err());
    }
}
