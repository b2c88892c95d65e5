package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;

/** Rows of TRL's and ShareGPT's forms become conversations, of which the assistant's turns are learned. */
class ChatRowsTest {
    private static final String TURNS =
            "{\"messages\": [{\"role\": \"user\", \"content\": \"Hé?\"}, {\"role\": \"assistant\", \"content\": \"One 🙂.\"}, {\"role\": \"user\", \"content\": \"More\"}, {\"role\": \"assistant\", \"content\": \"Two.\"}]}";

    private static Tokenizer bpe;

    @TempDir
    Path folder;

    @BeforeAll
    static void train() {
        bpe = new BpeTrainer()
                .train(List.of(new Tales(1).text(50_000)), BpeTrainer.Config.of(400))
                .tokenizer()
                .withChatTemplate(ChatTemplate.CHATML);
    }

    private DataConfig file(String name, String... rows) throws IOException {
        Path file = folder.resolve(name);
        Files.writeString(file, String.join("\n", rows));
        return Block.empty(Position.of("test"))
                .with("path", file.toString())
                .with("validation_share", 0.0)
                .bind(DataConfig.class);
    }

    private TokenStore prepare(DataConfig config) {
        return TokenStore.prepare(config, bpe, folder.resolve("cache"), line -> {});
    }

    private static String text(TokenStream tokens, long from, long to) {
        int[] ids = new int[(int) (to - from)];
        tokens.read(from, ids, 0, ids.length);
        return bpe.decode(ids);
    }

    private static List<String> learned(TokenStream tokens, long document) {
        long[] ranges = tokens.learned(document);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < ranges.length; i += 2) {
            texts.add(text(tokens, ranges[i], ranges[i + 1]));
        }
        return texts;
    }

    private String refusal(DataConfig config) {
        QuernException e = assertThrows(QuernException.class, () -> prepare(config));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode(), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        return e.getMessage().replace(folder + "/", "");
    }

    @Test
    void everyTurnOfTheAssistantIsLearned() throws IOException {
        TokenStore store = prepare(file("a.jsonl", TURNS, TURNS.replace("Two.", "Three!")));
        TokenStream tokens = store.train();
        assertEquals(2, tokens.documents());
        assertTrue(tokens.hasPrompts());
        assertEquals(
                "<|im_start|>user\nHé?<|im_end|>\n<|im_start|>assistant\nOne 🙂.<|im_end|>\n<|im_start|>user\nMore<|im_end|>\n<|im_start|>assistant\nTwo.<|im_end|>\n",
                text(tokens, 0, tokens.documentStart(1)));
        assertEquals(List.of("One 🙂.<|im_end|>", "Two.<|im_end|>"), learned(tokens, 0));
        assertEquals(List.of("One 🙂.<|im_end|>", "Three!<|im_end|>"), learned(tokens, 1));
        assertEquals(tokens.learned(1)[0], tokens.answerStart(1));
    }

    /** The labels of a batch are the learned tokens, one place earlier, and nothing else. */
    @Test
    void batchesCountTheLearnedTokensAlone() throws IOException {
        DataConfig config = file("a.jsonl", TURNS, TURNS.replace("Two.", "Three!"));
        for (boolean packing : new boolean[] {true, false}) {
            DataConfig data = config.withMaxLength(256).withPacking(packing);
            TokenStore store = prepare(data);
            BatchSource batches =
                    new CausalLm().source(new Objective.Input(store.train(), bpe, data, 2, 1), new CausalLm.Config());
            List<String> rows = new ArrayList<>();
            for (long b = 0; b < batches.batchesPerEpoch(); b++) {
                Batch batch = batches.batch(b);
                int at = 0;
                for (int document : batch.documents()) {
                    int[] counted = Arrays.stream(batch.labels(), at, at + document)
                            .filter(label -> label != Batch.NOT_COUNTED)
                            .toArray();
                    for (int i = at; i + 1 < at + document; i++) {
                        assertTrue(
                                batch.labels()[i] == Batch.NOT_COUNTED || batch.labels()[i] == batch.inputIds()[i + 1]);
                    }
                    rows.add(bpe.decode(counted));
                    at += document;
                }
            }
            rows.sort(null);
            assertEquals(List.of("One 🙂.<|im_end|>Three!<|im_end|>", "One 🙂.<|im_end|>Two.<|im_end|>"), rows);
        }
    }

    @Test
    void aConversationCutShortKeepsTheTurnsThatFit() throws IOException {
        DataConfig data = file("a.jsonl", TURNS).withMaxLength(60);
        TokenStore store = prepare(data);
        Batch batch = new CausalLm()
                .source(new Objective.Input(store.train(), bpe, data, 1, 1), new CausalLm.Config())
                .batch(0);
        assertEquals(60, batch.realTokens());
        int[] counted = Arrays.stream(batch.labels())
                .filter(label -> label != Batch.NOT_COUNTED)
                .toArray();
        assertTrue("One 🙂.<|im_end|>Two.<|im_end|>".startsWith(bpe.decode(counted)), bpe.decode(counted));
        assertTrue(counted.length > 3);
    }

    @Test
    void theOtherFormsAreRecognised() throws IOException {
        String sharegpt =
                "{\"id\": 1, \"system\": \"Be kind.\", \"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": \"gpt\", \"value\": \"Hello.\"}]}";
        TokenStream told = prepare(file("b.jsonl", sharegpt)).train();
        assertEquals(List.of("Hello.<|im_end|>"), learned(told, 0));
        assertTrue(
                text(told, 0, told.size()).startsWith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi"));

        String pair =
                "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}, {\"role\": \"user\", \"content\": \"c\"}], \"completion\": [{\"role\": \"assistant\", \"content\": \"d\"}]}";
        assertEquals(
                List.of("d<|im_end|>"), learned(prepare(file("c.jsonl", pair)).train(), 0));

        TokenStream plain = prepare(file("d.jsonl", "{\"prompt\": \"2 + 2 =\", \"completion\": \" 4\"}"))
                .train();
        assertEquals("2 + 2 =", text(plain, 0, plain.answerStart(0)));
        assertEquals(List.of(" 4<|endoftext|>"), learned(plain, 0));

        TokenStream list =
                prepare(file("e.json", "[" + TURNS + ",\n" + TURNS + "]")).train();
        assertEquals(2, list.documents());
        assertEquals(List.of("One 🙂.<|im_end|>", "Two.<|im_end|>"), learned(list, 1));
    }

    @Test
    void rowsThatAreNoConversationsAreLeftOutAndCounted() throws IOException {
        TokenStore store = prepare(file(
                "x.jsonl",
                TURNS,
                "{\"messages\": [{\"content\": \"no role\"}]}",
                "{\"messages\": []}",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"alone\"}]}",
                "{\"messages\": [{\"role\": \"wizard\", \"content\": \"hm\"}]}",
                "{\"messages\": [{\"role\": \"wizard\", \"content\": \"hm\"}]}",
                "{\"messages\": [{\"role\": \"assistant\", \"content\": [7]}]}",
                "{\"messages\": \"text\"}",
                "{\"messages\": [7]}",
                "{\"other\": 1}",
                TURNS));
        assertEquals(2, store.train().documents());
        DocumentReport report = store.report();
        assertEquals(9, report.rejectedRows());
        assertEquals(
                List.of(
                        "1 row left out: a message without a role (first x.jsonl:2)",
                        "1 row left out: 'messages' is empty (first x.jsonl:3)",
                        "1 row left out: no message of the assistant to learn (first x.jsonl:4)",
                        "2 rows left out: a message of the unknown role 'wizard' (first x.jsonl:5)",
                        "1 row left out: a message without a text under 'content' (first x.jsonl:7)",
                        "2 rows left out: no list of messages under 'messages' (first x.jsonl:8)",
                        "1 row left out: 'messages' holds something that is no message (first x.jsonl:9)"),
                report.rejections().stream()
                        .map(line -> line.replace(folder + "/", ""))
                        .toList());
    }

    @Test
    void whereNothingIsLeftTheReasonsAreTold() throws IOException {
        assertEquals(
                "y.jsonl: no row of it can be learned from: 2 rows left out: no message of the assistant to learn (first y.jsonl:1)",
                refusal(file(
                        "y.jsonl",
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}",
                        "{\"messages\": [{\"role\": \"user\", \"content\": \"b\"}]}")));
    }

    @Test
    void aTemplateRefusesRowsOrTheWholeJob() throws IOException {
        Path strict = Files.writeString(
                folder.resolve("strict.jinja"),
                "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns must alternate') }}{% endif %}{{ m.content }}|{% endfor %}");
        String doubled =
                "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"user\", \"content\": \"b\"}, {\"role\": \"assistant\", \"content\": \"c\"}]}";
        Tokenizer own = bpe.withChatTemplate(strict.toString());
        TokenStore store =
                TokenStore.prepare(file("z.jsonl", TURNS, doubled), own, folder.resolve("cache"), line -> {});
        assertEquals(List.of("One 🙂.|", "Two.|"), learned(store.train(), 0));
        assertEquals(1, store.report().rejectedRows());
        assertTrue(store.report()
                .rejections()
                .getFirst()
                .contains("strict.jinja:1: the template refuses it: turns must alternate"));

        Files.writeString(strict, "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}");
        Tokenizer endless = bpe.withChatTemplate(strict.toString());
        QuernException e = assertThrows(
                QuernException.class,
                () -> TokenStore.prepare(file("z.jsonl", TURNS), endless, folder.resolve("cache"), line -> {}));
        assertTrue(
                e.getMessage().contains("z.jsonl:1: ") && e.getMessage().contains("the template runs too long"),
                e.getMessage());

        Files.writeString(strict, "{% for m in messages %}{{ m.content|frobnicate }}{% endfor %}");
        Tokenizer unknown = bpe.withChatTemplate(strict.toString());
        QuernException filter = assertThrows(
                QuernException.class,
                () -> TokenStore.prepare(file("z.jsonl", TURNS), unknown, folder.resolve("cache"), line -> {}));
        assertTrue(
                filter.getMessage()
                        .contains("strict.jinja:1: the template can't be applied: unknown filter 'frobnicate'"),
                filter.getMessage());

        Files.writeString(
                strict,
                "{% for m in messages %}{{ m.content if loop.last }}{% endfor %}{% if add_generation_prompt %}>{% endif %}");
        Tokenizer hides = bpe.withChatTemplate(strict.toString());
        QuernException hidden = assertThrows(
                QuernException.class,
                () -> TokenStore.prepare(file("z.jsonl", TURNS), hides, folder.resolve("cache"), line -> {}));
        assertTrue(
                hidden.getMessage().contains("z.jsonl:1: ")
                        && hidden.getMessage().contains("can't be told from its context"),
                hidden.getMessage());
    }

    @Test
    void withoutATemplateOrWithOtherRowsTheJobIsRefused() throws IOException {
        Tokenizer bare = new CharacterTrainer()
                .train(List.of("abc"), Block.empty(Position.of("test")).bind(CharacterTrainer.Config.class))
                .tokenizer();
        QuernException e = assertThrows(
                QuernException.class,
                () -> TokenStore.prepare(file("a.jsonl", TURNS), bare, folder.resolve("cache"), line -> {}));
        assertTrue(
                e.getMessage()
                        .endsWith(
                                "a.jsonl:1: the row is a conversation, but the tokenizer has no chat template; name one by data.chat_template, a file or chatml"),
                e.getMessage());
        file("a.jsonl", TURNS);
        file("b.jsonl", "{\"text\": \"plain\"}");
        DataConfig both = Block.empty(Position.of("test"))
                .with("path", folder + "/*.jsonl")
                .bind(DataConfig.class);
        assertTrue(refusal(both).contains("a.jsonl holds conversations and"), refusal(both));
        assertEquals(
                "t.txt: data.format: messages is read from .json and .jsonl files; leave format out or name other files",
                refusal(Block.empty(Position.of("test"))
                        .with(
                                "path",
                                Files.writeString(folder.resolve("t.txt"), "x").toString())
                        .with("format", "messages")
                        .bind(DataConfig.class)));
    }

    /** A token that reaches over a border belongs to the part to learn, and the text is cut nowhere. */
    @Test
    void theTextIsEncodedAsAWhole() {
        String text = "the fox ran and the hen ran";
        List<quern.data.template.JinjaTemplate.Span> parts = List.of(
                new quern.data.template.JinjaTemplate.Span(5, 7), new quern.data.template.JinjaTemplate.Span(18, 27));
        Tokenizer.Marked marked =
                bpe.encodeMarked(List.of(text), List.of(parts)).getFirst();
        assertEquals(Arrays.toString(bpe.encode(text)), Arrays.toString(marked.ids()));
        for (int i = 0; i < parts.size(); i++) {
            int[] within = Arrays.copyOfRange(marked.ids(), marked.ranges()[2 * i], marked.ranges()[2 * i + 1]);
            assertTrue(bpe.decode(within)
                    .contains(text.substring(parts.get(i).from(), parts.get(i).to())));
        }
    }

    @Test
    void whatIsLeftOutIsInTheReportAloneSoThatItIsToldOnce() throws IOException {
        DataConfig config = file("x.jsonl", TURNS, "{\"messages\": []}", TURNS);
        List<String> told = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            TokenStore store = TokenStore.prepare(config, bpe, folder.resolve("cache"), told::add);
            assertEquals(1, store.report().rejections().size());
        }
        assertTrue(told.stream().noneMatch(line -> line.contains("left out")), told.toString());
    }

    @Test
    void aRowThatIsTooDeepIsToldWithoutTheParsersSettings() throws IOException {
        QuernException deep = assertThrows(
                QuernException.class, () -> prepare(file("d.jsonl", TURNS, "{\"messages\": " + "[".repeat(100_000))));
        assertTrue(deep.getMessage().contains("d.jsonl:2: "), deep.getMessage());
        assertTrue(deep.getMessage().contains("nesting depth (501) exceeds the maximum allowed (500)"));
        assertFalse(deep.getMessage().contains("StreamReadConstraints"), deep.getMessage());
    }
}
