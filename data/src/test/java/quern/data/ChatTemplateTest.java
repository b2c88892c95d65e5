package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.template.JinjaTemplate.Rendered;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCase;
import quern.recipe.GoldenResult;
import quern.recipe.Goldens;
import quern.recipe.QuernException;

/** Templates beside tokenizers: the golden cases, what is learned of a conversation, and refusals. */
class ChatTemplateTest {
    private static final String PLAIN =
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

    @TempDir
    Path folder;

    private static Map<String, Object> user(String text) {
        return ChatMessages.message("user", text);
    }

    private static Map<String, Object> assistant(String text) {
        return ChatMessages.message("assistant", text);
    }

    private static List<String> parts(Rendered made) {
        return made.generated().stream()
                .map(span -> made.text().substring(span.from(), span.to()))
                .toList();
    }

    @Test
    void goldenCasesHold() {
        List<GoldenCase> cases = Goldens.find(List.of(Path.of(System.getProperty("quern.root"), "goldens"))).stream()
                .filter(c -> c.kind().equals("chat_template"))
                .toList();
        assertTrue(cases.size() >= 20, cases.size() + " cases");
        for (GoldenResult result : Goldens.replayAll(cases)) {
            assertTrue(result.ok(), result.toString());
        }
    }

    @Test
    void aChangedCaseFails() throws IOException {
        Files.writeString(folder.resolve("t.jinja"), PLAIN);
        String start = "{\"kind\":\"chat_template\",\"name\":\"made here\",\"template_file\":\"t.jinja\",";
        String messages = "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],";
        for (String end : List.of(
                "\"expected\":\"<user>a</s>\"}",
                "\"expected\":\"<user>b</s>\"}",
                "\"expected\":\"<user>a</s>\",\"generated\":[[0,1]]}",
                "\"refused\":true}")) {
            Files.writeString(folder.resolve("case.json"), start + messages + end);
            boolean ok =
                    Goldens.replayAll(Goldens.find(List.of(folder))).getFirst().ok();
            assertEquals(end.equals("\"expected\":\"<user>a</s>\"}"), ok, end);
        }
    }

    @Test
    void withoutMarksTheDifferenceTellsWhatIsLearned() {
        ChatTemplate plain = ChatTemplate.of("plain", PLAIN, Map.of());
        ChatMessages turns = ChatMessages.of(List.of(user("a"), assistant("b"), user("c"), assistant("d")));
        assertEquals(List.of("b</s>", "d</s>"), parts(plain.learned(turns, 0)));
        assertEquals(List.of("d</s>"), parts(plain.learned(turns, 2)));
        assertEquals(Optional.of("</s>"), plain.turnEnd());
        assertEquals("<user>a</s><assistant>", plain.render(ChatMessages.of(List.of(user("a"))), true));
    }

    /** By one rendering or by many, of which a last-item test makes many necessary. */
    @Test
    void aLongConversationIsLearnedAsAShortOne() {
        ChatTemplate once = ChatTemplate.of("plain", PLAIN, Map.of());
        ChatTemplate often = ChatTemplate.of(
                "often", PLAIN.replace("{% endfor %}", "{% if loop.last %}{% endif %}{% endfor %}"), Map.of());
        List<Map<String, Object>> turns = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            turns.add(i % 3 == 1 ? assistant("answer " + i) : user("question " + i));
        }
        for (int from : new int[] {0, 7, 39}) {
            Rendered first = once.learned(ChatMessages.of(turns), from);
            assertEquals(first, often.learned(ChatMessages.of(turns), from));
            assertEquals(from == 39 ? 0 : from == 0 ? 13 : 11, first.generated().size());
        }
    }

    @Test
    void chatmlMarksTheAssistantsTurns() {
        ChatTemplate chatml = ChatTemplate.chatml(Map.of());
        ChatMessages turns = ChatMessages.of(
                List.of(ChatMessages.message("system", "s"), user("a"), assistant("b"), user("c"), assistant("d")));
        Rendered made = chatml.learned(turns, 0);
        assertEquals(
                "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
                        + "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\nd<|im_end|>\n",
                made.text());
        assertEquals(List.of("b<|im_end|>", "d<|im_end|>"), parts(made));
        assertEquals(List.of("d<|im_end|>"), parts(chatml.learned(turns, 3)));
        assertEquals(Optional.of("<|im_end|>"), chatml.turnEnd());
        Map<String, Object> inParts = Map.of(
                "role", "user", "content", List.of(Map.of("type", "text", "text", "x"), Map.of("type", "image")));
        assertEquals(
                "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n",
                chatml.render(ChatMessages.of(List.of(inParts)), true));
    }

    @Test
    void aTemplateThatHidesWhatIsLearnedIsRefused() {
        ChatTemplate forgets = ChatTemplate.of(
                "forgets.jinja",
                "{% for m in messages %}<{{ m.role }}>{{ m.content if loop.last or m.role == 'user' else '…' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}",
                Map.of());
        assertEquals(List.of("b"), parts(forgets.learned(ChatMessages.of(List.of(user("a"), assistant("b"))), 0)));
        QuernException e = assertThrows(
                QuernException.class,
                () -> forgets.learned(
                        ChatMessages.of(List.of(user("a"), assistant("b"), user("c"), assistant("d"))), 0));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertEquals(
                "forgets.jinja: the text of message 2 can't be told from its context: the template has no {% generation %}, and writes earlier messages otherwise once others follow; put {% generation %} and {% endgeneration %} around what the assistant writes",
                e.getMessage());
        ChatTemplate other = ChatTemplate.of("o", PLAIN.replace("<assistant>", "<bot>"), Map.of());
        assertTrue(assertThrows(
                        QuernException.class,
                        () -> other.learned(ChatMessages.of(List.of(user("a"), assistant("b"))), 0))
                .getMessage()
                .contains("its generation prompt does not begin what the assistant is shown to write"));
    }

    @Test
    void errorsNameTheFileAndTheLine() {
        QuernException syntax =
                assertThrows(QuernException.class, () -> ChatTemplate.of("t.jinja", "\n{% for %}", Map.of()));
        assertEquals(
                "t.jinja:2: not a usable chat template (expected a name, found end of statement block); repair it or name another by data.chat_template",
                syntax.getMessage());
        ChatTemplate strict = ChatTemplate.of("t.jinja", "\n{{ raise_exception('no\n  tools') }}", Map.of());
        QuernException raised =
                assertThrows(QuernException.class, () -> strict.render(ChatMessages.of(List.of(user("a"))), true));
        assertEquals("t.jinja:2: the template refuses the conversation (no tools)", raised.getMessage());
        assertEquals(Optional.empty(), strict.turnEnd());
        QuernException missing = assertThrows(QuernException.class, () -> ChatTemplate.named("no.jinja", Map.of()));
        assertEquals(
                "data.chat_template: no.jinja: no such file; expected a Jinja file, or chatml", missing.getMessage());
    }

    @Test
    void aTokenizerBringsItsTemplateAndSavesIt() throws IOException {
        Tokenizer bare = new BpeTrainer()
                .train(List.of("a text of words"), BpeTrainer.Config.of(300))
                .tokenizer();
        assertEquals(Optional.empty(), bare.chatTemplate());
        bare.save(folder);
        assertFalse(Files.exists(folder.resolve(ChatTemplate.FILE)));

        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"eos_token\":{\"content\":\"<|endoftext|>\"},\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"x\"},"
                        + "{\"name\":\"default\",\"template\":\"{{ messages[0].content }}{{ eos_token }}{{ bos_token }}\"}]}");
        ChatMessages hello = ChatMessages.of(List.of(user("hello")));
        assertEquals(
                "hello<|endoftext|>",
                Tokenizer.load(folder).chatTemplate().orElseThrow().render(hello, false));

        Files.writeString(folder.resolve(ChatTemplate.FILE), "beside {{ messages[0].content }}");
        assertEquals(
                "beside hello",
                Tokenizer.load(folder).chatTemplate().orElseThrow().render(hello, false));

        Path out = folder.resolve("out");
        Tokenizer.load(folder).withChatTemplate(ChatTemplate.CHATML).save(out);
        assertTrue(Files.readString(out.resolve(ChatTemplate.FILE)).contains("<|im_start|>"));
        assertEquals(
                "<|im_start|>user\nhello<|im_end|>\n",
                Tokenizer.load(out).chatTemplate().orElseThrow().render(hello, false));
    }

    @Test
    void aTemplateThatWritesTheTimeIsRenderedAtOne() {
        ChatTemplate template = ChatTemplate.of("timed", "{{ strftime_now('%H:%M:%S.%f') }}" + PLAIN, Map.of());
        ChatMessages conversation = ChatMessages.of(List.of(user("a"), assistant("b"), user("c"), assistant("d")));
        for (int i = 0; i < 50; i++) {
            assertEquals(List.of("b</s>", "d</s>"), parts(template.learned(conversation, 0)));
        }
    }
}
