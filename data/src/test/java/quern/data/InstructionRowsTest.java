package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Files in the form of Alpaca become prompts and answers, and errors name the row. */
class InstructionRowsTest {
    private static final String SUM =
            "{\"instruction\": \"Add the numbers.\", \"input\": \"2 and 3\", \"output\": \"5\"}";
    private static final String COLOUR =
            "{\"output\": \"Blue.\", \"instruction\": \"Name a colour.\", \"id\": [1, {}]}";
    private static Tokenizer bpe;

    @TempDir
    Path folder;

    @BeforeAll
    static void train() {
        bpe = new BpeTrainer()
                .train(List.of(new Tales(1).text(50_000)), BpeTrainer.Config.of(400))
                .tokenizer();
    }

    private DataConfig file(String name, String content) throws IOException {
        Path file = folder.resolve(name);
        Files.writeString(file, content);
        return DataConfig.files(file.toString()).withValidationShare(0);
    }

    private TokenStore prepare(DataConfig config) {
        return TokenStore.prepare(config, bpe, folder.resolve("cache"), line -> {});
    }

    private static List<Document> documents(DataConfig config) {
        List<Document> all = new ArrayList<>();
        Documents.open(config).forEach(all::add);
        return all;
    }

    private String refusal(DataConfig config, ExitCode code) {
        QuernException e = assertThrows(QuernException.class, () -> documents(config));
        assertEquals(code, e.exitCode(), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
        return e.getMessage().replace(folder.toString() + "/", "");
    }

    private static String text(TokenStream tokens, long from, long to) {
        int[] ids = new int[(int) (to - from)];
        tokens.read(from, ids, 0, ids.length);
        return bpe.decode(ids);
    }

    @Test
    void aListAndLinesGiveTheSamePromptsAndAnswers() throws IOException {
        for (DataConfig config : List.of(
                file("rows.json", "[\n" + SUM + ",\n" + COLOUR + "\n]\n"),
                file("rows.jsonl", SUM + "\n\n" + COLOUR + "\n"))) {
            TokenStream tokens = prepare(config).train();
            assertTrue(tokens.hasPrompts());
            assertEquals(2, tokens.documents());
            assertEquals(
                    "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd the numbers.\n\n### Input:\n2 and 3\n\n### Response:",
                    text(tokens, tokens.documentStart(0), tokens.answerStart(0)));
            assertEquals(
                    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\nName a colour.\n\n### Response:",
                    text(tokens, tokens.documentStart(1), tokens.answerStart(1)));
            int[] last = new int[1];
            tokens.read(tokens.size() - 1, last, 0, 1);
            assertEquals(bpe.endOfText().orElseThrow(), last[0]);
            assertEquals("Blue.", text(tokens, tokens.answerStart(1), tokens.size() - 1));
        }
    }

    @Test
    void aSingleRowIsWholeAndEnds() throws IOException {
        TokenStore store = prepare(file("one.json", "[" + SUM + "]").withValidationShare(0.5));
        assertEquals(1, store.train().documents());
        assertEquals(0, store.validation().size());
        assertEquals(
                "5",
                text(store.train(), store.train().answerStart(0), store.train().size() - 1));
    }

    @Test
    void theFormIsToldByTheFirstRowOrSaid() throws IOException {
        String both = "{\"text\": \"a\", \"instruction\": \"Say b.\", \"output\": \"b\"}\n";
        assertEquals(
                Document.Part.TEXT,
                documents(file("both.jsonl", both)).getFirst().part());
        DataConfig said = file("both.jsonl", both);
        assertEquals(
                Document.Part.PROMPT,
                documents(withFormat(said, DataFormat.INSTRUCTION)).getFirst().part());
        assertEquals(
                "both.jsonl:1: no field 'line' in this line; it has [text, instruction, output]; set data.field",
                refusal(withFormat(said.withField("line"), DataFormat.TEXT), ExitCode.BAD_INPUT));
        assertEquals(
                "a.txt: data.format: instruction is read from .json and .jsonl files; leave format out or name other files",
                refusal(withFormat(file("a.txt", "text"), DataFormat.INSTRUCTION), ExitCode.BAD_INPUT));
        assertEquals(
                "a.json: data.format: text is read from .txt and .jsonl files; leave format out or name other files",
                refusal(withFormat(file("a.json", "[]"), DataFormat.TEXT), ExitCode.BAD_INPUT));
    }

    private static DataConfig withFormat(DataConfig c, DataFormat format) {
        return c.with("format", Optional.of(format));
    }

    @Test
    void errorsNameTheFileTheLineAndTheRow() throws IOException {
        assertEquals(
                "x.json:3: row 2: no 'output' in this row; it has [instruction]; an instruction row has instruction, input (may be left out) and output",
                refusal(file("x.json", "[\n" + SUM + ",\n{\"instruction\": \"Go.\"}]"), ExitCode.BAD_INPUT));
        assertEquals(
                "x.json:1: row 1: 'output' holds a number, expected a string",
                refusal(file("x.json", "[{\"instruction\": \"Go.\", \"output\": 3}]"), ExitCode.FAILED));
        assertEquals(
                "x.json:1: row 2: an object with instruction, input and output was expected, found a string",
                refusal(file("x.json", "[" + SUM + ", \"b\"]"), ExitCode.BAD_INPUT));
        assertTrue(refusal(file("x.json", SUM), ExitCode.BAD_INPUT)
                .startsWith("x.json: a list of rows was expected, found an object"));
        assertTrue(refusal(file("x.json", "[\n" + SUM + ",\n{]"), ExitCode.FAILED)
                .startsWith("x.json:3: not valid JSON (column "));
        assertEquals(
                "x.jsonl:2: no 'instruction' in this row; it has [output]; an instruction row has instruction, input (may be left out) and output",
                refusal(file("x.jsonl", SUM + "\n{\"output\": \"b\"}\n"), ExitCode.BAD_INPUT));
        assertTrue(refusal(file("x.json", "[" + SUM + "] []"), ExitCode.FAILED).contains("behind the list"));
        assertTrue(refusal(file("x.json", "[]"), ExitCode.BAD_INPUT).contains("no text in it"));
        assertTrue(refusal(file("x.json", " \n"), ExitCode.BAD_INPUT)
                .startsWith("x.json: a list of rows was expected, found the end of the file;"));
    }

    @Test
    void textsAndInstructionRowsAreNotMixed() throws IOException {
        String rows = file("rows.jsonl", SUM + "\n").path().getFirst();
        String text = file("words.txt", "Once upon a time.").path().getFirst();
        for (DataConfig both : List.of(DataConfig.files(rows, text), DataConfig.files(folder.toString()))) {
            QuernException e = assertThrows(QuernException.class, () -> prepare(both));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertEquals(
                    "data.path: %s holds texts and %s instruction rows, which are not learned together; name files of one kind, or tell the kind of .jsonl files by data.format"
                            .formatted(text, rows),
                    e.getMessage());
        }
    }

    @Test
    void emptyRowsAreLeftOutAndCounted() throws IOException {
        TokenStore store = prepare(
                file(
                        "x.json",
                        "[" + SUM
                                + ",{\"instruction\": \"a\", \"output\": \"\"},{\"instruction\": \" \", \"input\": null, \"output\": \"b\"}]"));
        assertEquals(1, store.train().documents());
        assertEquals(2, store.report().emptyDocuments());
    }

    @Test
    void rowsAreHeldOutAsWholesAndTheirPlacesAreKnown() throws IOException {
        StringBuilder rows = new StringBuilder("[");
        for (int i = 0; i < 20; i++) {
            rows.append(i == 0 ? "\n" : ",\n")
                    .append("{\"instruction\": \"Say %d.\", \"output\": \"%d\"}".formatted(i, i));
        }
        TokenStore store = prepare(file("x.json", rows + "]").withValidationShare(0.25));
        assertEquals(15, store.train().documents());
        assertEquals(5, store.validation().documents());
        Set<Integer> seen = new HashSet<>();
        for (TokenStream part : List.of(store.train(), store.validation())) {
            for (long d = 0; d < part.documents(); d++) {
                int row = Integer.parseInt(text(part, part.answerStart(d), part.documentStart(d + 1) - 1));
                seen.add(row);
                assertEquals(folder.resolve("x.json") + ":" + (row + 2), part.describe(d));
            }
        }
        assertEquals(20, seen.size());
    }

    @Test
    void aTokenizerWithoutAnEndIsRefused() throws IOException {
        Tokenizer characters = new CharacterTrainer()
                .train(List.of(new Tales(1).text(1_000)), CharacterTrainer.Config.defaults())
                .tokenizer();
        DataConfig config = file("x.json", "[" + SUM + "]");
        QuernException e = assertThrows(
                QuernException.class,
                () -> TokenStore.prepare(config, characters, folder.resolve("cache"), line -> {}));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains("end-of-text token"), e.getMessage());
    }

    @Test
    void settingsBesideTextsAreNotReadByFolder() throws IOException {
        file("settings.json", "{}");
        file("a.txt", "words");
        assertEquals(
                List.of(folder.resolve("a.txt")),
                Documents.open(DataConfig.files(folder.toString())).files());
        assertEquals(
                List.of(folder.resolve("settings.json")),
                Documents.open(DataConfig.files(folder + "/*.json")).files());
    }
}
