package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Loading, saving, encoding and decoding, and what is refused. */
class TokenizerTest {
    private static final String HARD =
            "Ünïcödé e\u0301 \uD83D\uDC69\u200D\uD83D\uDC67 שלום  tabs\t\nnew \r\n 3.14159 日本語 ...\u3000end";

    @TempDir
    Path folder;

    private static Tokenizer bpe() {
        return new BpeTrainer()
                .train(List.of(new Tales(5).text(20_000)), BpeTrainer.Config.of(400))
                .tokenizer();
    }

    @Test
    void anyTextComesBackFromItsBytes() {
        Tokenizer tokenizer = bpe();
        assertEquals(HARD, tokenizer.decode(tokenizer.encode(HARD)));
        assertEquals(0, tokenizer.encode("").length);
        assertEquals("", tokenizer.decode(new int[0]));
    }

    @Test
    void longTextIsNeitherTruncatedNorPadded() {
        Tokenizer tokenizer = bpe();
        String text = new Tales(9).text(200_000);
        int[] ids = tokenizer.encode(text);
        assertTrue(ids.length > 30_000, "more tokens than any default limit");
        assertEquals(text, tokenizer.decode(ids));
        List<int[]> both = tokenizer.encodeAll(List.of("a", text));
        assertEquals(1, both.getFirst().length);
        assertArrayEquals(ids, both.getLast());
    }

    @Test
    void truncationAndPaddingInTheFileAreTurnedOff() throws IOException {
        String json = Files.readString(bpe().save(folder))
                .replaceFirst(
                        "\"truncation\" : null",
                        "\"truncation\": {\"direction\":\"Right\",\"max_length\":3,\"strategy\":\"LongestFirst\",\"stride\":0}")
                .replaceFirst(
                        "\"padding\" : null",
                        "\"padding\": {\"strategy\":{\"Fixed\":64},\"direction\":\"Right\",\"pad_to_multiple_of\":null,"
                                + "\"pad_id\":0,\"pad_type_id\":0,\"pad_token\":\"<|endoftext|>\"}");
        assertTrue(json.contains("LongestFirst") && json.contains("Fixed"), "both settings are in the file");
        Files.writeString(folder.resolve("tokenizer.json"), json);
        Tokenizer tokenizer = Tokenizer.load(folder);
        assertEquals(1, tokenizer.encode("a").length);
        assertEquals(HARD, tokenizer.decode(tokenizer.encode(HARD)));
    }

    @Test
    void severalThreadsEncodeAsOne() {
        Tokenizer tokenizer = bpe();
        List<String> texts = new ArrayList<>();
        new Tales(2).iterator(100_000).forEachRemaining(texts::add);
        List<int[]> alone = texts.stream().map(tokenizer::encode).toList();
        List<int[]> parallel = texts.parallelStream().map(tokenizer::encode).toList();
        List<int[]> bulk = tokenizer.encodeAll(texts);
        for (int i = 0; i < texts.size(); i++) {
            assertArrayEquals(alone.get(i), parallel.get(i));
            assertArrayEquals(alone.get(i), bulk.get(i));
        }
    }

    @Test
    void streamedTextEqualsTheWhole() {
        Tokenizer tokenizer = bpe();
        String text = (HARD + " \uFFFD ").repeat(20);
        StreamingDecoder decoder = tokenizer.streamingDecoder();
        StringBuilder shown = new StringBuilder();
        for (int id : tokenizer.encode(text)) {
            String part = decoder.push(id);
            assertEquals(
                    0,
                    IntStream.range(0, part.length())
                            .filter(i -> Character.isHighSurrogate(part.charAt(i)) && i + 1 == part.length())
                            .count(),
                    "half a character was shown");
            shown.append(part);
        }
        assertEquals(text, shown.append(decoder.finish()).toString());
    }

    @Test
    void anUnfinishedCharacterShowsAtTheEnd() {
        Tokenizer tokenizer = bpe();
        int[] ids = tokenizer.encode("日");
        StreamingDecoder decoder = tokenizer.streamingDecoder();
        assertEquals("", decoder.push(ids[0]));
        assertTrue(decoder.finish().contains("\uFFFD"));
    }

    @Test
    void charactersAreTokensInOrderOfCodePoints() {
        Tokenizer tokenizer = new CharacterTrainer()
                .train(List.of("ba\n", "c \uD83D\uDE00a"), CharacterTrainer.Config.defaults())
                .tokenizer();
        assertEquals(7, tokenizer.vocabularySize());
        assertEquals("<unk>", tokenizer.token(0));
        assertArrayEquals(new int[] {1, 2, 3, 4, 5, 6}, tokenizer.encode("\n abc\uD83D\uDE00"));
        assertEquals("a b\nc\uD83D\uDE00", tokenizer.decode(tokenizer.encode("a b\nc\uD83D\uDE00")));
        assertArrayEquals(new int[] {0}, tokenizer.encode("z"));
        assertEquals(OptionalInt.empty(), tokenizer.endOfText());
    }

    @Test
    void aSavedFolderLoadsEqual() {
        Tokenizer tokenizer = bpe();
        tokenizer.save(folder);
        Tokenizer loaded = Tokenizer.load(folder);
        assertEquals(tokenizer.fingerprint(), loaded.fingerprint());
        assertEquals(OptionalInt.of(loaded.id("<|endoftext|>")), loaded.endOfText());
        assertEquals(tokenizer.vocabularySize(), loaded.vocabularySize());
        assertArrayEquals(tokenizer.encode(HARD), loaded.encode(HARD));
        assertTrue(Files.exists(folder.resolve("tokenizer_config.json")));
        Tokenizer other = new BpeTrainer()
                .train(List.of(new Tales(6).text(20_000)), BpeTrainer.Config.of(400))
                .tokenizer();
        assertNotEquals(tokenizer.fingerprint(), other.fingerprint());
    }

    @Test
    void specialTokensInTheTextKeepTheirId() {
        Tokenizer tokenizer = bpe();
        int end = tokenizer.endOfText().orElseThrow();
        assertArrayEquals(new int[] {end, end}, tokenizer.encode("<|endoftext|><|endoftext|>"));
    }

    @Test
    void halfASurrogatePairIsReplaced() {
        Tokenizer tokenizer = bpe();
        assertEquals("a\uFFFDb", tokenizer.decode(tokenizer.encode("a\uD83Db")));
    }

    @Test
    void nulAndOtherControlsSurvive() {
        Tokenizer tokenizer = bpe();
        assertEquals("a\0b\u0001", tokenizer.decode(tokenizer.encode("a\0b\u0001")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{",
                "[]",
                "{\"model\":{}}",
                "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-3},\"merges\":[]}}",
                "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":2000000000},\"merges\":[]}}",
                "{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"a\":1},\"unk_token\":\"a\"}}",
                "{\"model\":{\"type\":\"Nonsense\",\"vocab\":{\"a\":0}}}"
            })
    void aCorruptFileIsOneClearLine(String json) throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), json);
        QuernException error = assertThrows(QuernException.class, () -> Tokenizer.load(folder));
        assertEquals(ExitCode.FAILED, error.exitCode());
        assertTrue(error.getMessage().contains("tokenizer.json"), error.getMessage());
        assertEquals(1, error.getMessage().lines().count(), error.getMessage());
    }

    @Test
    void aMissingOrEmptyFileIsBadInput() throws IOException {
        QuernException missing = assertThrows(QuernException.class, () -> Tokenizer.load(folder.resolve("none")));
        assertEquals(ExitCode.BAD_INPUT, missing.exitCode());
        Files.writeString(folder.resolve("tokenizer.json"), "");
        QuernException empty = assertThrows(QuernException.class, () -> Tokenizer.load(folder));
        assertEquals(ExitCode.BAD_INPUT, empty.exitCode());
    }

    @Test
    void idsOutsideTheVocabularyAreRefused() {
        Tokenizer tokenizer = bpe();
        assertThrows(IllegalArgumentException.class, () -> tokenizer.decode(new int[] {tokenizer.vocabularySize()}));
        assertThrows(IllegalArgumentException.class, () -> tokenizer.token(-1));
        assertThrows(IllegalArgumentException.class, () -> tokenizer.id("no such token"));
    }

    @Test
    void trainerSettingsThatCanNotBeMetAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> new BpeTrainer.Config(256, 2, List.of("<a>")));
        assertThrows(IllegalArgumentException.class, () -> new BpeTrainer.Config(300, 2, List.of("<a>", "<a>")));
        assertThrows(IllegalArgumentException.class, () -> new CharacterTrainer.Config("x", 100, List.of()));
        QuernException tooMany = assertThrows(
                QuernException.class,
                () -> new CharacterTrainer().train(List.of("abc"), new CharacterTrainer.Config("<unk>", 3, List.of())));
        assertEquals(ExitCode.BAD_INPUT, tooMany.exitCode());
    }

    @Test
    void trainingDoesNotDependOnHowTheWorkIsShared() {
        List<String> tales = new ArrayList<>();
        new Tales(3).iterator(1_500_000).forEachRemaining(tales::add);
        BpeTrainer.Config config = BpeTrainer.Config.of(600);
        List<String> reversed = tales.reversed();
        assertEquals(new BpeTrainer().train(tales, config), new BpeTrainer().train(reversed, config));
    }
}
