package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Shards hold what was tokenized, split as promised, are made once and noticed when damaged. */
class TokenStoreTest {
    private static Tokenizer characters;
    private static Tokenizer bpe;

    @TempDir
    Path folder;

    @BeforeAll
    static void train() {
        List<String> text = List.of(new Tales(1).text(200_000));
        characters = new CharacterTrainer()
                .train(text, CharacterTrainer.Config.defaults())
                .tokenizer();
        bpe = new BpeTrainer().train(text, BpeTrainer.Config.of(500)).tokenizer();
    }

    private TokenStore prepare(DataConfig config, Tokenizer tokenizer) {
        return TokenStore.prepare(config, tokenizer, folder.resolve("cache"), line -> {});
    }

    private static int[] all(TokenStream stream) {
        int[] tokens = new int[(int) stream.size()];
        stream.read(0, tokens, 0, tokens.length);
        return tokens;
    }

    private static String text(TokenStream stream, Tokenizer tokenizer) {
        return tokenizer.decode(all(stream));
    }

    @Test
    void oneDocumentIsCutAtACharacter() throws IOException {
        String text = "\uD83D\uDE00" + new Tales(1).text(40_000);
        Path file = Files.writeString(folder.resolve("a.txt"), text);
        for (Tokenizer tokenizer : List.of(characters, bpe)) {
            TokenStore store = prepare(DataConfig.files(file.toString()), tokenizer);
            int cut = text.offsetByCodePoints(0, (int) (text.codePointCount(0, text.length()) * 0.9));
            assertArrayEquals(tokenizer.encode(text.substring(0, cut)), all(store.train()));
            assertArrayEquals(tokenizer.encode(text.substring(cut)), all(store.validation()));
            assertEquals(1, store.train().documents());
            assertEquals(
                    text.getBytes(java.nio.charset.StandardCharsets.UTF_8).length,
                    store.train().textBytes() + store.validation().textBytes());
        }
    }

    @Test
    void severalPiecesOfOneDocumentTokenizeAsOneText() throws IOException {
        String text = new Tales(8).text(600_000);
        Path file = Files.writeString(folder.resolve("a.txt"), text);
        TokenStore store = prepare(DataConfig.files(file.toString()).withValidationShare(0), bpe);
        assertArrayEquals(bpe.encode(text), all(store.train()));
        assertEquals(0, store.validation().size());
        assertEquals(0, store.validation().documents());
    }

    @Test
    void documentsAreSplitAsWholesWithASeparator() {
        DataConfig config = DataConfig.tales(0.2);
        List<String> tales = new ArrayList<>();
        Documents.open(config).texts().forEach(tales::add);
        TokenStore store = prepare(config, bpe);
        assertEquals(Math.round(tales.size() * 0.1), store.validation().documents());
        assertEquals(
                tales.size(), store.train().documents() + store.validation().documents());
        int end = bpe.endOfText().orElseThrow();
        List<String> found = new ArrayList<>();
        for (TokenStream stream : List.of(store.train(), store.validation())) {
            for (long i = 0; i < stream.documents(); i++) {
                int[] ids = new int[(int) (stream.documentStart(i + 1) - stream.documentStart(i))];
                stream.read(stream.documentStart(i), ids, 0, ids.length);
                assertEquals(end, ids[ids.length - 1]);
                found.add(bpe.decode(java.util.Arrays.copyOf(ids, ids.length - 1)));
            }
        }
        assertNotEquals(tales, found, "held-out documents are spread");
        assertEquals(tales.stream().sorted().toList(), found.stream().sorted().toList());
        assertEquals(
                store.report().bytes(),
                store.train().textBytes() + store.validation().textBytes());
    }

    @Test
    void aSeparatorOfOnesOwn() throws IOException {
        Path file = Files.writeString(folder.resolve("a.jsonl"), "{\"text\":\"ab\"}\n{\"text\":\"c\"}\n");
        DataConfig config = DataConfig.files(file.toString()).withValidationShare(0);
        assertEquals(
                "ab\nc\n", text(prepare(config.withDocumentSeparator("\n"), bpe).train(), bpe));
        assertEquals("abc", text(prepare(config, characters).train(), characters));
        assertEquals("abc", text(prepare(config.withDocumentSeparator(""), bpe).train(), bpe));
        assertEquals("ab<|endoftext|>c<|endoftext|>", text(prepare(config, bpe).train(), bpe));
    }

    @Test
    void aStoreIsMadeOnceAndAgainWhenSomethingChanged() throws IOException {
        Path file = Files.writeString(folder.resolve("a.txt"), new Tales(1).text(20_000));
        DataConfig config = DataConfig.files(file.toString());
        List<String> lines = new ArrayList<>();
        Path first = TokenStore.prepare(config, bpe, folder.resolve("cache"), lines::add)
                .folder();
        int told = lines.size();
        assertTrue(told > 0);
        assertEquals(
                first,
                TokenStore.prepare(config, bpe, folder.resolve("cache"), lines::add)
                        .folder());
        assertEquals(told, lines.size(), "the second time nothing was tokenized");
        assertEquals(
                first, prepare(config.withMaxLength(7).withPacking(false), bpe).folder(), "rows do not matter");
        assertNotEquals(first, prepare(config, characters).folder());
        assertNotEquals(first, prepare(config.withValidationShare(0.2), bpe).folder());
        Files.writeString(file, new Tales(2).text(20_000));
        Path changed = prepare(config, bpe).folder();
        assertNotEquals(first, changed);
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000_000_000L));
        assertNotEquals(changed, prepare(config, bpe).folder());
    }

    @Test
    void everyDamageIsNoticed() throws IOException {
        DataConfig config = DataConfig.tales(0.05);
        Path store = prepare(config, bpe).folder();
        List<Path> files;
        try (Stream<Path> list = Files.list(store)) {
            files = list.filter(f -> f.toString().endsWith(".bin")).sorted().toList();
        }
        assertEquals(4, files.size());
        Random random = new Random(1);
        for (Path file : files) {
            byte[] whole = Files.readAllBytes(file);
            for (int i = 0; i < 20; i++) {
                byte[] flipped = whole.clone();
                // The zeros that fill the header up carry nothing and are not summed.
                int at = i < 10 ? i * 4 : 64 + random.nextInt(whole.length - 64);
                flipped[at] ^= (byte) (1 << random.nextInt(8));
                damaged(config, file, flipped);
            }
            damaged(config, file, java.util.Arrays.copyOf(whole, whole.length - 1));
            damaged(config, file, new byte[0]);
            Files.delete(file);
            assertTrue(failure(config).getMessage().contains("missing"));
            Files.write(file, whole);
        }
        Path description = store.resolve("store.json");
        String text = Files.readString(description);
        for (String broken : List.of("", "{", "{}", text.replace("\"tokens\" : ", "\"tokens\" : 1"))) {
            Files.writeString(description, broken);
            assertEquals(ExitCode.FAILED, failure(config).exitCode(), broken);
        }
        Files.writeString(description, text);
        assertTrue(prepare(config, bpe).train().size() > 0);
    }

    private void damaged(DataConfig config, Path file, byte[] bytes) throws IOException {
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, bytes);
        QuernException error = failure(config);
        assertEquals(ExitCode.FAILED, error.exitCode());
        assertTrue(error.getMessage().contains(file.getFileName().toString()), error.getMessage());
        assertTrue(error.getMessage().contains("delete the folder"), error.getMessage());
        Files.write(file, whole);
    }

    private QuernException failure(DataConfig config) {
        return assertThrows(QuernException.class, () -> prepare(config, bpe));
    }

    @Test
    void severalThreadsMakeOneStore() throws Exception {
        DataConfig config = DataConfig.tales(0.5);
        List<String> lines = java.util.Collections.synchronizedList(new ArrayList<>());
        Callable<Path> job = () -> TokenStore.prepare(config, bpe, folder.resolve("cache"), lines::add)
                .folder();
        try (var pool = Executors.newFixedThreadPool(4)) {
            List<Future<Path>> made = pool.invokeAll(List.of(job, job, job, job));
            for (Future<Path> path : made) {
                assertEquals(made.getFirst().get(), path.get());
            }
        }
        assertEquals(1, lines.size(), "tokenized once: " + lines);
        try (Stream<Path> left = Files.list(folder.resolve("cache/tokens"))) {
            assertEquals(2, left.count(), "the store and its lock, nothing unfinished");
        }
    }

    @Test
    void aFailureLeavesNothingBehind() throws IOException {
        Path file = Files.writeString(folder.resolve("a.jsonl"), "{\"text\":\"ab\"}\n{\"text\":1}\n");
        DataConfig config = DataConfig.files(file.toString());
        assertThrows(QuernException.class, () -> prepare(config, bpe));
        try (Stream<Path> left = Files.list(folder.resolve("cache/tokens"))) {
            assertFalse(left.anyMatch(Files::isDirectory));
        }
        Files.writeString(file, "{\"text\":\"ab\"}\n{\"text\":\"c\"}\n");
        assertEquals(2, prepare(config, bpe).report().documents());
    }
}
