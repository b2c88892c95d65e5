package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Recipe files: what they extend, overrides, limits and every way they can be wrong. */
class RecipeFileTest {
    /** Far above what any of the hostile texts takes, far below what an expanded bomb would. */
    private static final Duration QUICK = Duration.ofSeconds(10);

    @TempDir
    Path folder;

    private Path write(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, text);
    }

    private static String refusal(org.junit.jupiter.api.function.Executable action) {
        QuernException refused = assertTimeoutPreemptively(QUICK, () -> assertThrows(QuernException.class, action));
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
        assertEquals(1, refused.getMessage().lines().count(), refused.getMessage());
        return refused.getMessage();
    }

    private static String refusal(String yaml, String... overrides) {
        return refusal(() -> RecipeFile.load("f.yaml", yaml, List.of(overrides)));
    }

    private static Map<String, Object> load(String yaml, String... overrides) {
        return RecipeFile.load("f.yaml", yaml, List.of(overrides)).toMap();
    }

    @Test
    void scalarsFollowTheCoreSchema() {
        assertEquals(
                Map.ofEntries(
                        Map.entry("real", 1e-5),
                        Map.entry("dotless", 1e3),
                        Map.entry("text", "no"),
                        Map.entry("on", "on"),
                        Map.entry("octal", 8L),
                        Map.entry("hex", 255L),
                        Map.entry("leading", 12L),
                        Map.entry("negative", -3L),
                        Map.entry("infinite", Double.NEGATIVE_INFINITY),
                        Map.entry("flag", true),
                        Map.entry("quoted", "1"),
                        Map.entry("tagged", "1"),
                        Map.entry("widened", 1.0),
                        Map.entry("date", "2024-01-01"),
                        Map.entry("sexagesimal", "1:30"),
                        Map.entry("secret", "env:TOKEN")),
                load("""
                        real: 1e-5
                        dotless: 1E+3
                        text: no
                        on: on
                        octal: 0o10
                        hex: 0xff
                        leading: 012
                        negative: -3
                        infinite: -.inf
                        flag: True
                        quoted: '1'
                        tagged: !!str 1
                        widened: !!float 1
                        date: 2024-01-01
                        sexagesimal: 1:30
                        secret: env:TOKEN
                        """));
    }

    @Test
    void aliasesStandForWhatTheyName() {
        assertEquals(
                Map.of("a", Map.of("x", 1L), "b", Map.of("x", 1L), "c", List.of(2L, 2L)),
                load("a: &one {x: 1}\nb: *one\nc: [&two 2, *two]"));
    }

    @Test
    void aByteOrderMarkIsSkipped() throws IOException {
        Path file = write("bom.yaml", "\uFEFFa: 1");
        assertEquals(Map.of("a", 1L), RecipeFile.load(file, List.of()).toMap());
    }

    @Test
    void extendsMergesBlocksAndReplacesTheRest() throws IOException {
        write("base/root.yaml", """
                a: 1
                list: [1, 2]
                block: {x: 1, deep: {y: 2, z: 3}}
                gone: 5
                scalar: s
                """);
        write("base/middle.yaml", "extends: root.yaml\na: 2\nblock: {deep: {z: null}}\n");
        Path file = write("leaf.yaml", """
                extends: base/middle.yaml
                list: [3]
                block: {deep: {y: 4}, new: {n: 1}}
                gone: null
                scalar: {now: a block}
                """);
        Block block = RecipeFile.load(file, List.of("block.x=7", "list=[8]", "block.new=null"));
        assertEquals(
                Map.of(
                        "a",
                        2L,
                        "list",
                        List.of(8L),
                        "block",
                        Map.of("x", 7L, "deep", Map.of("y", 4L)),
                        "scalar",
                        Map.of("now", "a block")),
                block.toMap());
        assertEquals(new Position(file.toString(), 1, 1), block.position());
        assertEquals(
                folder.resolve("base/middle.yaml") + ":2:1", block.position("a").toString());
        assertEquals(
                "command line: block.x=7", block.block("block").position("x").toString());
        assertEquals(file + ":3:8", block.block("block").position().toString());
        assertEquals(List.of("a", "list", "block", "scalar"), List.copyOf(block.keys()));
    }

    @Test
    void extendsThatCannotBeFollowedIsRefused() throws IOException {
        Path lost = write("lost.yaml", "a: 1\nextends: nowhere.yaml");
        assertEquals(
                lost + ":2:1: extends: no such file '" + folder.resolve("nowhere.yaml") + "'",
                refusal(() -> RecipeFile.load(lost, List.of())));
        Path self = write("self.yaml", "extends: ./self.yaml");
        assertTrue(refusal(() -> RecipeFile.load(self, List.of())).endsWith("extends this recipe in turn"));
        Path one = write("one.yaml", "extends: two.yaml");
        write("two.yaml", "extends: one.yaml");
        assertTrue(refusal(() -> RecipeFile.load(one, List.of())).contains("extends this recipe in turn"));
        Path dir = write("dir.yaml", "extends: .");
        assertEquals(dir + ":1:1: extends: '.' is not a file", refusal(() -> RecipeFile.load(dir, List.of())));
        Path list = write("list.yaml", "extends: [one.yaml]");
        assertEquals(
                list + ":1:1: extends: expected text, found a list", refusal(() -> RecipeFile.load(list, List.of())));
        Path blank = write("blank.yaml", "extends: ''");
        assertEquals(blank + ":1:1: extends: '' is not a file", refusal(() -> RecipeFile.load(blank, List.of())));
        Path zero = write("zero.yaml", "extends: \"a\\0b\"");
        assertTrue(refusal(() -> RecipeFile.load(zero, List.of())).contains("is no path"));
        for (int i = 0; i < 20; i++) {
            write("chain" + i + ".yaml", "extends: chain" + (i + 1) + ".yaml");
        }
        Path chain = folder.resolve("chain0.yaml");
        assertTrue(refusal(() -> RecipeFile.load(chain, List.of())).contains("a chain of more than 16 recipes"));
        assertEquals(
                "f.yaml:1:1: extends: a recipe that is not a file can't extend another", refusal("extends: x.yaml"));
        assertEquals(
                "command line: extends=x.yaml: extends: belongs in a recipe file", refusal("a: 1", "extends=x.yaml"));
    }

    @Test
    void aNullThatDeletesNothingIsRefused() {
        assertTrue(refusal("a: 1\nlerning_rate:").startsWith("f.yaml:2:1: key 'lerning_rate' has no value"));
        assertTrue(refusal("a: {b: ~}").startsWith("f.yaml:1:5: key 'b' has no value"));
        assertTrue(refusal("a: [{b: null}]").startsWith("f.yaml:1:6: key 'b' has no value"));
        assertTrue(refusal("a: 1", "b=null").startsWith("command line: b=null: key 'b' has no value"));
    }

    @Test
    void filesThatAreNoRecipe() throws IOException {
        Path missing = folder.resolve("missing.yaml");
        assertEquals(
                missing + ": no such file; expected a recipe in YAML",
                refusal(() -> RecipeFile.load(missing, List.of())));
        assertEquals(
                folder + ": a folder; expected a recipe in YAML", refusal(() -> RecipeFile.load(folder, List.of())));
        Path binary = folder.resolve("binary.yaml");
        Files.write(binary, new byte[] {0x7f, 'E', 'L', 'F', (byte) 0xff, (byte) 0xfe, 0, 0});
        assertEquals(
                binary + ": not UTF-8 text; expected a recipe in YAML",
                refusal(() -> RecipeFile.load(binary, List.of())));
        Path control = folder.resolve("control.yaml");
        Files.write(control, "a: \u0000\u0001".getBytes(StandardCharsets.UTF_8));
        assertTrue(refusal(() -> RecipeFile.load(control, List.of())).startsWith(control + ": not valid YAML: "));
        Path large = folder.resolve("large.yaml");
        Files.write(large, new byte[YamlReader.MAX_CHARACTERS + 1]);
        assertTrue(refusal(() -> RecipeFile.load(large, List.of())).contains("larger than 1048576 bytes"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "   \n\n", "# only a comment\n", "---\n...\n", "~", "null"})
    void anEmptyTextIsNoRecipe(String text) {
        assertEquals("f.yaml: empty; expected a recipe, keys with values", refusal(text));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "just words | f.yaml:1:1: expected a recipe, keys with values; found text 'just words'",
                "[a, b] | f.yaml:1:1: expected a recipe, keys with values; found a list",
                "42 | f.yaml:1:1: expected a recipe, keys with values; found the number 42",
                "a: 1~b: 2~a: 3 | f.yaml:3:1: duplicate key 'a' (first at f.yaml:1:1)",
                "x: {a: 1, a: 2} | f.yaml:1:11: duplicate key 'a' (first at f.yaml:1:5)",
                "a: 1~'a': 2 | f.yaml:2:1: duplicate key 'a' (first at f.yaml:1:1)",
                "a: 1~---~b: 2 | f.yaml:2:1: a second YAML document begins here; a recipe is one document",
                "a: *nobody | f.yaml:1:4: alias '*nobody' has no anchor '&nobody' before it",
                "a: &me [*me] | f.yaml:1:9: alias '*me' contains itself",
                "a: &me {b: *me} | f.yaml:1:12: alias '*me' contains itself",
                "a: {<<: {b: 1}} | f.yaml:1:5: '<<' is not part of YAML 1.2; use 'extends: FILE'",
                "? [a] : 1 | f.yaml:1:3: a key must be a plain word, not a list, a block or an alias",
                "'': 1 | f.yaml:1:1: an empty key; expected 'key: value'",
                "a: 99999999999999999999 | f.yaml:1:4: the number 99999999999999999999 does not fit in 64 bits",
                "a: !!int x | f.yaml:1:4: the tag '!!int' does not fit this value; leave it out",
                "a: !!python/object:os.system x | f.yaml:1:4: the tag '!!python/object:os.system' does not fit",
                "a: !!set {b} | f.yaml:1:4: the tag '!!set' does not fit this value; leave it out",
                "a: !!binary aGk= | f.yaml:1:4: the tag '!!binary' does not fit this value; leave it out",
                "a: [1, 2 | not valid YAML: ",
                "a: 'open | not valid YAML: ",
                "a: \"\\x | not valid YAML: a broken escape after this place",
                "a: \"\\u12\" | not valid YAML: ",
                "a: \"\\UFFFFFFFF\" | not valid YAML: ",
                "a: b: c | f.yaml:1:5: not valid YAML: mapping values are not allowed here",
                "a:~\tb: 1 | f.yaml:2:1: not valid YAML: ",
                "%YAML 3.0~---~a: 1 | not valid YAML: ",
            })
    void aWrongTextIsRefusedAtItsPlace(String text, String expected) {
        String message = refusal(text.replace('~', '\n'));
        assertTrue(message.startsWith("f.yaml"), message);
        assertTrue(message.contains(expected), message);
    }

    @Test
    void hostileTextsEndQuickly() {
        StringBuilder laughs = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 20; i++) {
            String item = "*a" + (i - 1);
            laughs.append("a%d: &a%d [%s]\n".formatted(i, i, String.join(", ", List.of(item, item, item, item, item))));
        }
        assertTrue(refusal(laughs.toString()).contains("holds more than 100000 values"));
        StringBuilder tower = new StringBuilder("a0: &a0 [x]\n");
        for (int i = 1; i < 200; i++) {
            tower.append("a%d: &a%d [*a%d]\n".formatted(i, i, i - 1));
        }
        assertTrue(refusal(tower.toString()).contains("nested more than 64 levels deep"));
        assertTrue(refusal("a: " + "[".repeat(200_000)).contains("nested more than 64 levels deep"));
        assertTrue(refusal("{a: ".repeat(200_000)).contains("nested more than 64 levels deep"));
        assertTrue(refusal("- ".repeat(200_000)).contains("nested more than 64 levels deep"));
        assertTrue(refusal("? ".repeat(200_000)).contains("a key must be a plain word"));
        assertTrue(refusal("a: [" + "x,".repeat(200_000) + "]").contains("holds more than 100000 values"));
        assertTrue(refusal("a: " + "x".repeat(YamlReader.MAX_CHARACTERS)).contains("too large"));
        assertTrue(refusal("a: " + "9".repeat(300_000)).contains("does not fit in 64 bits"));
        assertTrue(refusal("a: " + "!".repeat(300_000)).contains("does not fit this value"));
        assertTrue(refusal("a: \"" + "\\".repeat(300_001)).contains("not valid YAML"));
    }

    @Test
    void overridesAreYaml() {
        assertEquals(
                Map.of("a", 2L, "b", Map.of("c", List.of(1L, 2L), "d", "no"), "e", 1e-3, "f", "", "g", "x=y"),
                load("a: 1\nb: {c: [9]}", "a=2", "b.c=[1, 2]", "b={d: no}", "e=1e-3", "f=''", "g=x=y"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"*.txt", "&a", "!x", "%d", "@home", "`tick"})
    void overridesTakeSignsAsText(String text) {
        assertEquals(Map.of("a", text), load("{}", "a=" + text));
    }

    @Test
    void theLastOverrideWins() {
        assertEquals(Map.of("a", 3L), load("a: 1", "a=2", "a=3"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "a | command line: a: expected key=value",
                "=1 | command line: =1: expected a key such as max_steps or data.path before '='",
                "a..b=1 | command line: a..b=1: expected a key such as max_steps or data.path before '='",
                "a.=1 | command line: a.=1: expected a key such as max_steps or data.path before '='",
                "a =1 | command line: a =1: expected a key such as max_steps or data.path before '='",
                "a= | command line: a=: no value; write null to delete the key, or '\"\"' for an empty text",
                "a=[1 | command line: a=[1: not valid YAML: ",
                "a.x=1 | command line: a.x=1: 'a' is the number 1, not a block of keys",
                "b.l.x=1 | command line: b.l.x=1: 'b.l' is a list, not a block of keys",
            })
    void aWrongOverrideIsRefused(String override, String expected) {
        String message = refusal("a: 1\nb: {l: [1]}", override);
        assertTrue(message.startsWith(expected), message);
    }

    @Test
    void anOverridesLineBreaksStayOffTheMessage() {
        assertTrue(refusal("a: 1", "b\n\u001b[31m=[").startsWith("command line: b\\n\\u{1b}[31m=[: "));
        assertTrue(refusal("{}", "a" + ".a".repeat(100_000) + "=1").contains("nested more than 64 levels deep"));
    }

    @Test
    void aMissingKeyIsNotBlamedOnAnOverride() {
        record Inner(int x, int y) {}
        record Outer(Inner inner) {}
        Block block = RecipeFile.load("f.yaml", "inner: {}", List.of("inner.x=1"));
        assertEquals(
                "f.yaml:1:8: missing key 'y'",
                assertThrows(QuernException.class, () -> block.bind(Outer.class))
                        .getMessage());
    }

    @Test
    void writesReadableYaml() {
        Block block = RecipeFile.load("f.yaml", """
                {model: {family: llama, sizes: [1, 2], none: {}}, learning_rate: 1e-5, note: 'no: "x"', key: env:TOKEN,
                 t: '1', path: ../corpus/*.jsonl, begin: 'Es wär einmal', lines: "a\\n\\tb",
                 stages: [{name: a, steps: 5}, [1, [2, {deep: []}]], x]}
                """, List.of());
        String yaml = RecipeFile.write(block);
        assertEquals("""
                model:
                  family: llama
                  sizes: [1, 2]
                  none: {}
                learning_rate: 1.0E-5
                note: "no: \\"x\\""
                key: env:TOKEN
                t: "1"
                path: ../corpus/*.jsonl
                begin: Es wär einmal
                lines: "a\\n\\tb"
                stages:
                  - name: a
                    steps: 5
                  - - 1
                    - - 2
                      - deep: []
                  - x
                """, yaml);
        assertEquals(block, RecipeFile.load("written.yaml", yaml, List.of()));
    }

    @Test
    void aVeryLongKeyLoadsBack() {
        Block block = Block.empty(Position.of("test")).with("k".repeat(5000), Map.of("\n".repeat(3000), 1));
        assertEquals(block, RecipeFile.load("written.yaml", RecipeFile.write(block), List.of()));
    }
}
