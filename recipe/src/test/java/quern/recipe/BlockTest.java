package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Blocks and their binding to records. */
class BlockTest {
    enum Mode {
        FIRST_FIT,
        BEST_FIT
    }

    record Inner(@Default("3") int depth, Optional<String> name) {}

    record Everything(
            @Default("text") String text,

            @Default("true") boolean flag,

            @Default("1") @Range(min = 0, max = 9) int count,

            @Default("0x10") long big,

            @Default("1e-3") @Range(min = 0, max = 1, minExclusive = true, maxExclusive = true)
            double share,

            @Default("a/b") Path path,

            @Default("best_fit") Mode mode,

            @Default("[a, b]") @Shorthand List<String> names,

            @Default("[0.9, 1]") @Range(max = 1) List<Double> betas,

            @Default("{x: 1}") @Range(min = 0) Map<String, Double> weights,

            @Default("{}") Map<String, Object> extra,

            @Default("{depth: 4}") @Shorthand("name") Inner inner,

            @Default("[]") List<Inner> inners,

            @Default("{}") Block block,

            @Default("foo") @Shorthand("type") Block shorthand,

            @Default("[1, a]") Object anything,

            @Range(min = 1) Optional<Integer> limit,

            @Shorthand("type") Optional<Block> optional) {}

    record Required(String name) {}

    record Empty() {}

    record Checked(int low, int high) {
        Checked {
            if (low > high) {
                throw new IllegalArgumentException("low: %d is above high (%d)".formatted(low, high));
            }
            if (low < 0) {
                throw new IllegalArgumentException("must not\nbe negative");
            }
            if (high == 100) {
                throw new IllegalStateException("a defect");
            }
            if (high == 99) {
                throw QuernException.refused("no disk");
            }
        }
    }

    private static Block block(String yaml) {
        return RecipeFile.load("f.yaml", yaml, List.of());
    }

    private static String refusal(String yaml, Class<? extends Record> type) {
        Block block = block(yaml);
        QuernException refused = assertThrows(QuernException.class, () -> block.bind(type));
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
        assertEquals(1, refused.getMessage().lines().count(), refused.getMessage());
        return refused.getMessage();
    }

    record Listed(@Default("[foo]") @Shorthand("type") List<Block> parts) {}

    @Test
    void aListOfBlocksMayHoldScalarsOrBeOneItem() {
        Block foo = block("{type: foo}");
        Block bar = block("{type: bar, depth: 2}");
        assertEquals(List.of(foo), block("{}").bind(Listed.class).parts());
        assertEquals(List.of(foo), block("parts: foo").bind(Listed.class).parts());
        assertEquals(
                List.of(bar),
                block("parts: {type: bar, depth: 2}").bind(Listed.class).parts());
        assertEquals(
                List.of(foo, bar, foo),
                block("parts: [foo, {type: bar, depth: 2}, {type: foo}]")
                        .bind(Listed.class)
                        .parts());
        assertEquals(List.of(), block("parts: []").bind(Listed.class).parts());
        assertTrue(refusal("parts: 3", Listed.class)
                .contains("parts: expected a name or a block of keys, found the number 3"));
        assertTrue(refusal("parts: [foo, 3]", Listed.class)
                .contains("parts[1]: expected a name or a block of keys, found the number 3"));
        assertTrue(refusal("parts: [[foo]]", Listed.class).contains("parts[0]: expected a name or a block of keys"));
    }

    @Test
    void defaultsFillWhatIsLeftOut() {
        Everything bound = block("{}").bind(Everything.class);
        assertEquals("text", bound.text());
        assertTrue(bound.flag());
        assertEquals(1, bound.count());
        assertEquals(16L, bound.big());
        assertEquals(1e-3, bound.share());
        assertEquals(Path.of("a/b"), bound.path());
        assertEquals(Mode.BEST_FIT, bound.mode());
        assertEquals(List.of("a", "b"), bound.names());
        assertEquals(List.of(0.9, 1.0), bound.betas());
        assertEquals(Map.of("x", 1.0), bound.weights());
        assertEquals(Map.of(), bound.extra());
        assertEquals(new Inner(4, Optional.empty()), bound.inner());
        assertEquals(List.of(), bound.inners());
        assertEquals(Map.of(), bound.block().toMap());
        assertEquals(Map.of("type", "foo"), bound.shorthand().toMap());
        assertEquals(List.of(1L, "a"), bound.anything());
        assertEquals(Optional.empty(), bound.limit());
        assertEquals(Optional.empty(), bound.optional());
    }

    @Test
    void everyTypeBinds() {
        Everything bound = block("""
                        text: no
                        flag: false
                        count: 9
                        big: 9223372036854775807
                        share: 1e-5
                        path: corpus/*.txt
                        mode: first_fit
                        names: lone
                        betas: [1]
                        weights: {a: 2, b: 0.5}
                        extra: {list: [1, {deep: true}], real: 1.5}
                        inner: quick
                        inners: [{depth: 1}, {name: n}]
                        block: {free: {form: 1}}
                        shorthand: {type: bar, more: 2}
                        anything: {a: [b]}
                        limit: 1
                        optional: baz
                        """).bind(Everything.class);
        assertEquals("no", bound.text());
        assertFalse(bound.flag());
        assertEquals(9, bound.count());
        assertEquals(Long.MAX_VALUE, bound.big());
        assertEquals(1e-5, bound.share());
        assertEquals(Path.of("corpus/*.txt"), bound.path());
        assertEquals(Mode.FIRST_FIT, bound.mode());
        assertEquals(List.of("lone"), bound.names());
        assertEquals(List.of(1.0), bound.betas());
        assertEquals(Map.of("a", 2.0, "b", 0.5), bound.weights());
        assertEquals(Map.of("list", List.of(1L, Map.of("deep", true)), "real", 1.5), bound.extra());
        assertEquals(new Inner(3, Optional.of("quick")), bound.inner());
        assertEquals(List.of(new Inner(1, Optional.empty()), new Inner(3, Optional.of("n"))), bound.inners());
        assertEquals(Map.of("free", Map.of("form", 1L)), bound.block().toMap());
        assertEquals(Map.of("type", "bar", "more", 2L), bound.shorthand().toMap());
        assertEquals(Map.of("a", List.of("b")), bound.anything());
        assertEquals(Optional.of(1), bound.limit());
        assertEquals(Map.of("type", "baz"), bound.optional().orElseThrow().toMap());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "count: x | f.yaml:1:1: count: expected a whole number, found text 'x'",
                "count: '1' | f.yaml:1:1: count: expected a whole number, found text '1'",
                "count: 1.5 | f.yaml:1:1: count: expected a whole number, found the number 1.5",
                "count: 1.0 | f.yaml:1:1: count: expected a whole number, found the number 1.0",
                "count: 3000000000 | f.yaml:1:1: count: 3000000000 does not fit in 32 bits",
                "count: 10 | f.yaml:1:1: count: 10 is out of range; expected at least 0 and at most 9",
                "count: -1 | f.yaml:1:1: count: -1 is out of range; expected at least 0 and at most 9",
                "count: [1] | f.yaml:1:1: count: expected a whole number, found a list",
                "count: {a: 1} | f.yaml:1:1: count: expected a whole number, found a block of keys",
                "big: 1e3 | f.yaml:1:1: big: expected a whole number, found the number 1000.0",
                "share: 0 | f.yaml:1:1: share: 0 is out of range; expected above 0 and below 1",
                "share: 1 | f.yaml:1:1: share: 1 is out of range; expected above 0 and below 1",
                "share: .nan | f.yaml:1:1: share: expected a finite number, found NaN",
                "share: .inf | f.yaml:1:1: share: expected a finite number, found Infinity",
                "share: true | f.yaml:1:1: share: expected a number, found true",
                "flag: yes | f.yaml:1:1: flag: expected true or false, found text 'yes'",
                "flag: 1 | f.yaml:1:1: flag: expected true or false, found the number 1",
                "text: 1 | f.yaml:1:1: text: expected text, found the number 1; put it in quotes",
                "text: true | f.yaml:1:1: text: expected text, found true; put it in quotes",
                "text: [a] | f.yaml:1:1: text: expected text, found a list",
                "path: '' | f.yaml:1:1: path: an empty path",
                "path: \"a\\0b\" | f.yaml:1:1: path: 'a\\u{0}b' is no path",
                "path: 1 | f.yaml:1:1: path: expected a path, found the number 1",
                "mode: best_fitt | mode: expected one of first_fit, best_fit, found 'best_fitt' (did you mean 'best_fit'?)",
                "mode: BEST_FIT | mode: expected one of first_fit, best_fit, found 'BEST_FIT' (did you mean 'best_fit'?)",
                "mode: 1 | f.yaml:1:1: mode: expected one of first_fit, best_fit, found the number 1",
                "names: [a, 1] | f.yaml:1:12: names[1]: expected text, found the number 1; put it in quotes",
                "names: [a, null] | f.yaml:1:12: names[1]: expected text, found nothing",
                "names: {a: b} | f.yaml:1:1: names: expected a list, found a block of keys",
                "betas: 0.9 | f.yaml:1:1: betas: expected a list, found the number 0.9",
                "betas: [0.9, 2] | f.yaml:1:14: betas[1]: 2 is out of range; expected at most 1",
                "weights: {a: -1} | f.yaml:1:11: weights.a: -1 is out of range; expected at least 0",
                "weights: [1] | f.yaml:1:1: weights: expected a block of keys, found a list",
                "inner: {dept: 1} | f.yaml:1:9: unknown key 'dept' (did you mean 'depth'?)",
                "inner: 1 | f.yaml:1:1: inner: expected a name or a block of keys, found the number 1",
                "inners: [{depth: x}] | f.yaml:1:11: depth: expected a whole number, found text 'x'",
                "inners: [x] | f.yaml:1:10: inners[0]: expected a block of keys, found text 'x'",
                "block: foo | f.yaml:1:1: block: expected a block of keys, found text 'foo'",
                "shorthand: [a] | f.yaml:1:1: shorthand: expected a name or a block of keys, found a list",
                "limit: 0 | f.yaml:1:1: limit: 0 is out of range; expected at least 1",
                "xyzzy: 1 | f.yaml:1:1: unknown key 'xyzzy'; known keys: anything, betas, big",
            })
    void refusesWithThePlace(String yaml, String expected) {
        String message = refusal(yaml, Everything.class);
        assertTrue(message.contains(expected), message);
    }

    @Test
    void missingAndUnknownKeysOfSmallRecords() {
        assertEquals("f.yaml:1:1: missing key 'name'", refusal("{}", Required.class));
        assertEquals("f.yaml:1:2: unknown key 'name'; this block takes no keys", refusal("{name: 1}", Empty.class));
        assertEquals(
                "f.yaml:2:1: unknown key 'nam' (did you mean 'name'?)", refusal("name: a\nnam: b", Required.class));
    }

    @Test
    void aNestedBlockIsPlacedWhereItBegins() {
        Block inner = block("a: 1\nb:\n  c:\n    d: 1\n").block("b").block("c");
        QuernException refused = assertThrows(QuernException.class, () -> inner.bind(Required.class));
        assertTrue(refused.getMessage().startsWith("f.yaml:4:5: unknown key 'd'"), refused.getMessage());
        QuernException missing =
                assertThrows(QuernException.class, () -> inner.without("d").bind(Required.class));
        assertEquals("f.yaml:4:5: missing key 'name'", missing.getMessage());
    }

    @Test
    void aConstructorsRefusalIsPlacedAtTheKeyItNames() {
        assertEquals("f.yaml:2:1: low: 3 is above high (2)", refusal("high: 2\nlow: 3", Checked.class));
        assertEquals("f.yaml:1:1: must not be negative", refusal("high: 2\nlow: -3", Checked.class));
    }

    @Test
    void otherFailuresOfAConstructorPassThrough() {
        Block defect = block("{low: 1, high: 100}");
        assertThrows(IllegalStateException.class, () -> defect.bind(Checked.class));
        Block refused = block("{low: 1, high: 99}");
        QuernException passed = assertThrows(QuernException.class, () -> refused.bind(Checked.class));
        assertEquals(ExitCode.REFUSED, passed.exitCode());
    }

    record BadDefault(@Default("x") int count) {}

    record BadType(@Default("1") Thread thread) {}

    @Test
    void aWrongDefaultOrTypeIsADefectOfTheProgram() {
        IllegalStateException defect =
                assertThrows(IllegalStateException.class, () -> block("{}").bind(BadDefault.class));
        assertTrue(defect.getMessage().contains("BadDefault.count"), defect.getMessage());
        assertThrows(IllegalStateException.class, () -> block("{}").bind(BadType.class));
    }

    @Test
    void readsTextAndBlocks() {
        Block block = block("name: a\nnumber: 1\ninner: {x: 1}");
        assertEquals("a", block.text("name"));
        assertEquals(Map.of("x", 1L), block.block("inner").toMap());
        assertEquals(new Position("f.yaml", 2, 1), block.position("number"));
        assertEquals(new Position("f.yaml", 1, 1), block.position("absent"));
        assertEquals(new Position("f.yaml", 3, 9), block.block("inner").position("x"));
        assertRefused("f.yaml:1:1: missing key 'absent'", () -> block.text("absent"));
        assertRefused("f.yaml:1:1: missing key 'absent'", () -> block.block("absent"));
        assertRefused(
                "f.yaml:2:1: number: expected text, found the number 1; put it in quotes", () -> block.text("number"));
        assertRefused("f.yaml:1:1: name: expected a block of keys, found text 'a'", () -> block.block("name"));
    }

    private static void assertRefused(String message, org.junit.jupiter.api.function.Executable action) {
        assertEquals(message, assertThrows(QuernException.class, action).getMessage());
    }

    @Test
    void withAndWithoutLeaveTheOriginalAlone() {
        Block block = block("a: 1\nb: 2");
        Map<String, Object> deep = new LinkedHashMap<>();
        deep.put("mode", Mode.BEST_FIT);
        deep.put("path", Path.of("x/y"));
        deep.put("list", List.of(1, 2L, 0.5f, 0.25, true, "t"));
        Block changed = block.with("a", deep).with("c", Block.empty(Position.of("code")));
        assertEquals(
                Map.of(
                        "a",
                        Map.of("mode", "best_fit", "path", "x/y", "list", List.of(1L, 2L, 0.5, 0.25, true, "t")),
                        "b",
                        2L,
                        "c",
                        Map.of()),
                changed.toMap());
        assertEquals(List.of("a", "b", "c"), List.copyOf(changed.keys()));
        assertEquals(new Position("f.yaml", 1, 1), changed.position("a"));
        assertEquals(Map.of("a", 1L, "b", 2L), block.toMap());
        assertEquals(Map.of("b", 2L), block.without("a").toMap());
        assertSame(block, block.without("absent"));
        assertThrows(IllegalArgumentException.class, () -> block.with("a", new Object()));
        assertThrows(NullPointerException.class, () -> block.with("a", null));
    }

    @Test
    void blocksCannotBeChanged() {
        Block block = block("a: [1]\nb: {c: 1}");
        assertThrows(UnsupportedOperationException.class, () -> block.keys().remove("a"));
        assertThrows(UnsupportedOperationException.class, () -> block.toMap().remove("a"));
        Block inner = block.block("b");
        assertThrows(UnsupportedOperationException.class, () -> inner.toMap().put("d", 1));
        record Lists(List<Integer> a, Map<String, Integer> b) {}
        Lists lists = block.bind(Lists.class);
        assertThrows(UnsupportedOperationException.class, () -> lists.a().add(2));
        assertThrows(UnsupportedOperationException.class, () -> lists.b().put("d", 2));
    }

    @Test
    void equalityIsOfValuesNotPlaces() {
        Block block = block("a: 1");
        Block moved = block("\n\na: 1");
        assertEquals(block, moved);
        assertEquals(block.hashCode(), moved.hashCode());
        assertNotEquals(block, block("a: 1.0"));
        assertNotEquals(block, Map.of("a", 1L));
        assertEquals("{a=1}", block.toString());
    }

    @Test
    void placesReadAsEditorsReadThem() {
        assertEquals("f.yaml:3:7", new Position("f.yaml", 3, 7).toString());
        assertEquals("command line: a=b", Position.of("command line: a=b").toString());
    }
}
