package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** What holds for recipes of any content and for texts that are none. */
class RecipeFilePropertyTest {
    /** A recipe of a few hundred characters takes milliseconds; a pause of the machine may add to it. */
    private static final Duration QUICK = Duration.ofSeconds(5);

    @Provide
    Arbitrary<Map<String, Object>> values() {
        return maps(3);
    }

    private static Arbitrary<Map<String, Object>> maps(int depth) {
        return Arbitraries.maps(texts().filter(key -> !key.isEmpty()), values(depth))
                .ofMaxSize(4);
    }

    private static Arbitrary<Object> values(int depth) {
        Arbitrary<Object> scalars = Arbitraries.oneOf(
                texts().asGeneric(),
                Arbitraries.longs().asGeneric(),
                Arbitraries.doubles().asGeneric(),
                Arbitraries.of(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, -0.0, Double.MIN_VALUE)
                        .asGeneric(),
                Arbitraries.of(true, false).asGeneric());
        if (depth == 0) {
            return scalars;
        }
        return Arbitraries.oneOf(
                scalars,
                values(depth - 1).list().ofMaxSize(3).asGeneric(),
                maps(depth - 1).asGeneric());
    }

    /** Any text, and texts that look like something else in YAML. */
    private static Arbitrary<String> texts() {
        Arbitrary<String> any = Arbitraries.integers()
                .between(1, Character.MAX_CODE_POINT)
                .filter(point -> point < Character.MIN_SURROGATE || point > Character.MAX_SURROGATE)
                .list()
                .ofMaxSize(8)
                .map(points -> {
                    StringBuilder text = new StringBuilder();
                    points.forEach(text::appendCodePoint);
                    return text.toString();
                });
        Arbitrary<String> plain = Arbitraries.strings()
                .withChars(" \n\t\r:-#'\"{}[],&*!|>%@`?~aB1\u0085\u2028\uFEFF\\")
                .ofMaxLength(8);
        Arbitrary<String> lookalikes = Arbitraries.of(
                "1",
                "1e-5",
                "0x1",
                "0o7",
                ".inf",
                ".nan",
                "true",
                "null",
                "~",
                "",
                "<<",
                "no",
                "=",
                "---",
                "...",
                "- a",
                "env:TOKEN",
                "a: b",
                "!!str",
                "\uFEFF");
        return Arbitraries.oneOf(any, plain, lookalikes);
    }

    @Property(tries = 300)
    void whatIsWrittenLoadsBackEqual(@ForAll("values") Map<String, Object> values) {
        Block block = Block.empty(Position.of("test"));
        for (Map.Entry<String, Object> entry : values.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        String yaml = RecipeFile.write(block);
        Block read = RecipeFile.load("written.yaml", yaml, List.of());
        assertEquals(block, read, yaml);
        assertEquals(List.copyOf(block.keys()), List.copyOf(read.keys()));
    }

    @Provide
    Arbitrary<String> fragments() {
        return Arbitraries.of(
                        "a",
                        "b: ",
                        ": ",
                        "- ",
                        "? ",
                        "\n",
                        "\n  ",
                        "\n\t",
                        "{",
                        "}",
                        "[",
                        "]",
                        ", ",
                        "&x ",
                        "*x",
                        "!!str ",
                        "!t ",
                        "'",
                        "\"",
                        "|\n",
                        ">-\n",
                        "%YAML 1.2\n",
                        "%TAG ! tag:x,2000:\n",
                        "---\n",
                        "...\n",
                        "#c",
                        "~",
                        "1e-5",
                        "0x",
                        "\\x",
                        "\\u12",
                        "<<: ",
                        "extends: ",
                        "null",
                        "\u0000",
                        "\uFEFF",
                        "\uD800",
                        "\u2028",
                        "@",
                        "`",
                        "=",
                        ".",
                        "\r",
                        "\r\n")
                .list()
                .ofMaxSize(40)
                .map(parts -> String.join("", parts));
    }

    @Property(tries = 1000)
    void yamlOfFragmentsLoadsOrIsRefused(@ForAll("fragments") String text) {
        loadsOrIsRefused(text, List.of());
    }

    @Property(tries = 1000)
    void anyTextLoadsOrIsRefused(@ForAll String text) {
        loadsOrIsRefused(text, List.of());
    }

    @Property(tries = 1000)
    void anyOverrideIsTakenOrRefused(@ForAll("fragments") String value, @ForAll("fragments") String key) {
        loadsOrIsRefused("a: {b: 1}", List.of("a.b=" + value));
        loadsOrIsRefused("a: {b: 1}", List.of(key + "=" + value));
    }

    private static void loadsOrIsRefused(String text, List<String> overrides) {
        assertTimeout(QUICK, () -> {
            try {
                Block block = RecipeFile.load("any.yaml", text, overrides);
                Recipe.from(block);
            } catch (QuernException refused) {
                assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
                assertTrue(
                        refused.getMessage().chars().noneMatch(Character::isISOControl),
                        () -> "control characters in: " + refused.getMessage());
            }
        });
    }
}
