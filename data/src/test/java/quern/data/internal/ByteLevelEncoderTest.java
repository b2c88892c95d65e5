package quern.data.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.data.BpeTrainer;
import quern.data.Tales;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The ids of the Java encoder are the native library's, and what it does not know is the library's to encode. */
class ByteLevelEncoderTest {
    private static final int TEXTS = 400;

    private static final String[] HARD = {
        "e\u0301",
        "n\u0303\u0323",
        "ﬁ",
        "\u212B",
        "\uAC00\u11A8",
        "\u1100\u1161\u11A8",
        "👩\u200D👩\u200D👧\u200D👦",
        "👍🏽",
        "🇩🇪",
        "שָׁלוֹם",
        "مرحبا بالعالم",
        "\u202Eabc\u202C",
        "नमस्ते",
        "日本語のテキスト",
        "한국어",
        "Ελληνικά",
        "русский",
        "ß",
        "ſ",
        "İ",
        "ǆ",
        "'s",
        "'S",
        "'ſ",
        "'LL",
        "'re",
        "'Ve",
        "'tis",
        "''",
        "don't",
        "I'M",
        "\u2019s",
        "1234567",
        "٣٤٥",
        "½",
        "Ⅷ",
        "x²",
        "3.14",
        " ",
        "  ",
        "   ",
        "\t",
        "\n",
        "\r\n",
        "\n\n",
        " \n ",
        "\u00A0",
        "\u3000",
        "\u2028",
        "\u0085",
        "\u200B",
        "\uFEFF",
        "\uFFFD",
        "\u0000",
        "\u0007",
        "\u007F",
        "...",
        "?!",
        "({[",
        "->",
        "#include",
        "_snake_case",
        "CamelCase",
        "http://a.b/c?d=e",
        "<|endoftext|>",
        "<|endoftext",
        "<tool>",
        "<tool",
        "<tools>",
        "wordy",
        "the",
        " the",
        "The",
        " a",
        "hello",
        " world",
        "\uDBFF\uDFFF",
        "\uD83D\uDE00",
        "𝔘𝔫𝔦",
        "𠀀",
        "\uE000",
    };

    /** What files of families differ in. */
    enum Kind {
        GPT2(root -> {}),
        PREFIX_SPACE(root -> ((ObjectNode) root.path("pre_tokenizer")).put("add_prefix_space", true)),
        IGNORE_MERGES(root -> ((ObjectNode) root.path("model")).put("ignore_merges", true)),
        THREE_DIGITS(root -> cut(root, TiktokenPreTokens.THREE_DIGITS)),
        SINGLE_DIGITS(root -> cut(root, TiktokenPreTokens.SINGLE_DIGITS)),
        NFC(root -> root.putObject("normalizer").put("type", "NFC")),
        ADDED(root -> {
            add(root, "<tool>", 1, false);
            add(root, "<tools>", 2, false);
            add(root, "wordy", 3, true);
            add(root, " the", 4, true);
        }),
        OLD_MERGES(root -> {
            ArrayNode merges = (ArrayNode) root.path("model").path("merges");
            for (int i = 0; i < merges.size(); i++) {
                merges.set(
                        i,
                        merges.path(i).path(0).asString() + " "
                                + merges.path(i).path(1).asString());
            }
        });

        private final Consumer<ObjectNode> change;

        Kind(Consumer<ObjectNode> change) {
            this.change = change;
        }

        private static void cut(ObjectNode root, String pattern) {
            ObjectNode sequence = root.putObject("pre_tokenizer").put("type", "Sequence");
            ArrayNode parts = sequence.putArray("pretokenizers");
            parts.addObject()
                    .put("type", "Split")
                    .put("behavior", "Isolated")
                    .put("invert", false)
                    .putObject("pattern")
                    .put("Regex", pattern);
            parts.addObject()
                    .put("type", "ByteLevel")
                    .put("add_prefix_space", false)
                    .put("trim_offsets", true)
                    .put("use_regex", false);
        }
    }

    private static ObjectNode add(ObjectNode root, String content, int behind, boolean normalized) {
        return ((ArrayNode) root.path("added_tokens"))
                .addObject()
                .put("id", 1499 + behind)
                .put("content", content)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", normalized)
                .put("special", !normalized);
    }

    private static ObjectNode trained() {
        String text = new Tales(5).text(40_000) + String.join(" ", HARD).repeat(3);
        String json = new BpeTrainer()
                .train(List.of(text), BpeTrainer.Config.of(1500))
                .tokenizerJson();
        return (ObjectNode) Json.parse(Path.of("tokenizer.json"), json);
    }

    private static List<String> texts() {
        Random random = new Random(11);
        String tales = new Tales(8).text(50_000);
        List<String> texts = new ArrayList<>(List.of(HARD));
        for (int i = 0; i < TEXTS; i++) {
            StringBuilder text = new StringBuilder();
            for (int parts = random.nextInt(12); parts >= 0; parts--) {
                switch (random.nextInt(4)) {
                    case 0 -> {
                        int from = random.nextInt(tales.length() - 50);
                        text.append(tales, from, from + random.nextInt(50));
                    }
                    case 1 -> text.append(HARD[random.nextInt(HARD.length)].repeat(1 + random.nextInt(3)));
                    case 2 -> {
                        int c = random.nextInt(Character.MAX_CODE_POINT + 1);
                        text.appendCodePoint(c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE ? 'x' : c);
                    }
                    default -> text.append(HARD[random.nextInt(HARD.length)]);
                }
            }
            texts.add(text.toString());
        }
        texts.add("a".repeat(30_000));
        texts.add(" ".repeat(5_000) + "x" + "\n ".repeat(2_000));
        texts.add("ha".repeat(20_000) + "!?".repeat(3_000) + "7".repeat(4_000));
        texts.add(tales);
        return texts;
    }

    @ParameterizedTest
    @EnumSource
    void idsAreTheLibrarys(Kind kind) {
        ObjectNode root = trained();
        assertEquals(1500, root.path("model").path("vocab").size(), "added tokens begin behind the vocabulary");
        kind.change.accept(root);
        assertEquals("", ByteLevelEncoder.unknownIn(root));
        ByteLevelEncoder encoder = new ByteLevelEncoder(root);
        NativeTokenizers library = NativeTokenizers.parse("tokenizer.json", Json.write(root));
        int own = 0;
        List<String> texts = texts();
        for (String text : texts) {
            int[] ids = encoder.encode(text);
            if (ids != null) {
                own++;
                assertArrayEquals(library.encode(text), ids, text);
            }
        }
        // Characters that are none, or that normalisation may change, are in many of these texts.
        assertTrue(own > texts.size() / 8, own + " of " + texts.size() + " texts");
    }

    @Test
    void moreWordsThanAreKeptChangeNothing() {
        ObjectNode root = trained();
        ByteLevelEncoder encoder = new ByteLevelEncoder(root);
        NativeTokenizers library = NativeTokenizers.parse("tokenizer.json", Json.write(root));
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 100_000; i++) {
            text.append(' ').append(Integer.toString(i * 7919, Character.MAX_RADIX));
        }
        assertArrayEquals(library.encode(text.toString()), encoder.encode(text.toString()));
        assertArrayEquals(library.encode(text.toString()), encoder.encode(text.toString()));
    }

    @Test
    void anAddedTokenThatLooksAroundItselfIsLeftToTheLibrary() {
        ObjectNode root = trained();
        add(root, "<mask>", 1, false).put("lstrip", true);
        ByteLevelEncoder encoder = new ByteLevelEncoder(root);
        assertNull(encoder.encode("a <mask> b"));
        assertArrayEquals(
                NativeTokenizers.parse("tokenizer.json", Json.write(root)).encode("a <mas b"),
                encoder.encode("a <mas b"));
    }

    @Test
    void whatIsUnknownInAFileIsSaid() {
        assertEquals(
                "normalizer Lowercase",
                unknown(root -> root.putObject("normalizer").put("type", "Lowercase")));
        assertEquals("model Unigram", unknown(root -> ((ObjectNode) root.path("model")).put("type", "Unigram")));
        assertEquals("dropout", unknown(root -> ((ObjectNode) root.path("model")).put("dropout", 0.1)));
        assertEquals(
                "end_of_word_suffix",
                unknown(root -> ((ObjectNode) root.path("model")).put("end_of_word_suffix", "</w>")));
        assertEquals(
                "pre-tokenizer Whitespace",
                unknown(root -> root.putObject("pre_tokenizer").put("type", "Whitespace")));
        assertEquals("pre-tokenizer Sequence", unknown(root -> Kind.cut(root, "\\w+")));
        assertEquals("no pre-tokenizer", unknown(root -> root.putNull("pre_tokenizer")));
        assertEquals(
                "a vocabulary without every byte",
                unknown(root -> ((ObjectNode) root.path("model").path("vocab")).remove("Ġ")));
    }

    private static String unknown(Consumer<ObjectNode> change) {
        ObjectNode root = trained();
        change.accept(root);
        return ByteLevelEncoder.unknownIn((JsonNode) root);
    }

    /** By Java's own tables, which are of a version later than the library's. */
    @Test
    void charactersCalledNormalAre() {
        StringBuilder normal = new StringBuilder();
        for (char c = 1; c < Character.MIN_SURROGATE; c++) {
            if (ByteLevelEncoder.isNormal(String.valueOf(c))) {
                normal.append(c);
            }
        }
        for (int c = Character.MAX_SURROGATE + 1; c <= Character.MAX_VALUE; c++) {
            if (ByteLevelEncoder.isNormal(String.valueOf((char) c))) {
                normal.append((char) c);
            }
        }
        assertTrue(normal.length() > 30_000);
        assertTrue(Normalizer.isNormalized(normal, Normalizer.Form.NFC));
        assertTrue(Normalizer.isNormalized(normal.reverse(), Normalizer.Form.NFC));
    }
}
