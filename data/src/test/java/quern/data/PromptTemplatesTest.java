package quern.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** Many phrasings of a task: mixed by weight, and some that only validate. */
class PromptTemplatesTest {
    private static final int ROWS = 400;

    @TempDir
    Path folder;

    private static PromptTemplates table(String heldOut) {
        return RecipeFile.load("test.yaml", """
                        templates:
                          - {name: sum, prompt: "{a} plus {b} is ", answer: "{c}", weight: 3}
                          - {name: ask, prompt: "What is {a}+{b}? {{exactly}} ", answer: "It is {c}."}
                          - {name: count, prompt: "Count {a}, then {b}: ", answer: "{c}"}
                        held_out: [%s]
                        """.formatted(heldOut), List.of()).bind(PromptTemplates.class);
    }

    private DataConfig rows() throws IOException {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < ROWS; i++) {
            lines.append("{\"a\": %d, \"b\": \"%d\", \"c\": %d, \"other\": [1]}\n".formatted(i, 2 * i, 3 * i));
        }
        Path file = folder.resolve("rows.jsonl");
        Files.writeString(file, lines);
        return DataConfig.files(file.toString()).withDocumentSeparator("|");
    }

    private static List<String> texts(TokenStream stream, Tokenizer tokenizer, boolean answers) {
        List<String> all = new ArrayList<>();
        for (long i = 0; i < stream.documents(); i++) {
            long from = answers ? stream.answerStart(i) : stream.documentStart(i);
            int[] ids = new int[(int) (stream.documentStart(i + 1) - from)];
            stream.read(from, ids, 0, ids.length);
            all.add(tokenizer.decode(ids));
        }
        return all;
    }

    @Test
    void aHeldOutPhrasingValidatesAndNeverTrains() throws IOException {
        DataConfig config = rows().withPromptTemplates(table("count"));
        Tokenizer tokenizer = Tokenizer.of(new CharacterTrainer()
                .train(
                        List.of("What is plus exactly It then Count {}+?:,.| 0123456789"),
                        RecipeFile.load("test.yaml", "{}", List.of()).bind(new CharacterTrainer().config())));
        TokenStore store = TokenStore.prepare(config, tokenizer, folder.resolve("cache"), line -> {});
        assertTrue(store.train().hasPrompts());
        List<String> train = texts(store.train(), tokenizer, false);
        List<String> validation = texts(store.validation(), tokenizer, false);
        Set<Integer> met = new TreeSet<>();
        int sums = 0;
        for (String text : train) {
            Matcher sum = Pattern.compile("(\\d+) plus \\d+ is \\d+\\|").matcher(text);
            Matcher ask = Pattern.compile("What is (\\d+)\\+\\d+\\? \\{exactly} It is \\d+\\.\\|")
                    .matcher(text);
            boolean isSum = sum.matches();
            assertTrue(isSum || ask.matches(), text);
            sums += isSum ? 1 : 0;
            met.add(Integer.parseInt((isSum ? sum : ask).group(1)));
        }
        // Five deviations around three of four.
        assertEquals(0.75 * train.size(), sums, 5 * Math.sqrt(train.size() * 0.75 * 0.25));
        for (String text : validation) {
            Matcher count = Pattern.compile("Count (\\d+), then \\d+: \\d+\\|").matcher(text);
            assertTrue(count.matches(), text);
            assertTrue(met.add(Integer.parseInt(count.group(1))), "a row that trained validates");
        }
        assertEquals(ROWS, met.size(), "every row once");
        for (String answer : texts(store.train(), tokenizer, true)) {
            assertTrue(answer.matches("(It is )?\\d+\\.?\\|"), answer);
        }
    }

    @Test
    void theTableIsChecked() {
        assertEquals("{x} 3", PromptTemplates.fill("{{x}} {y}", Map.of("y", "3")));
        assertEquals(Set.of("a", "b", "c"), table("").fields());
        assertEquals("sum", table("ask, count").of(7).name());
        assertTrue(assertThrows(QuernException.class, () -> table("sum, ask, count"))
                .getMessage()
                .contains("none is left to train on"));
        assertTrue(assertThrows(QuernException.class, () -> table("summ"))
                .getMessage()
                .contains("'summ' is no template"));
        assertTrue(
                assertThrows(IllegalArgumentException.class, () -> new PromptTemplates.Template("t", "a } b", "c", 1))
                        .getMessage()
                        .contains("a lone '}' at character 3"));
    }

    @Test
    void aRowWithoutAFieldIsNamed() throws IOException {
        Path file = folder.resolve("rows.jsonl");
        Files.writeString(file, "{\"a\": 1, \"b\": 2, \"c\": 3}\n{\"a\": 1, \"b\": 2}\n");
        DataConfig config = DataConfig.files(file.toString()).withPromptTemplates(table("count"));
        QuernException missing = assertThrows(QuernException.class, () -> {
            try (Documents.Cursor pass = Documents.open(config).iterator()) {
                while (pass.hasNext()) {
                    pass.next();
                }
            }
        });
        assertTrue(missing.getMessage().startsWith(file + ":2: no 'c' in this row"), missing.getMessage());
    }
}
