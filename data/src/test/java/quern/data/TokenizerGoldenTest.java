package quern.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Training and encoding beside the Hugging Face tokenizers library's: encoding is equal, and so is what byte-level BPE learns;
 * WordPiece and unigram learn the same but for what the library leaves to chance.
 */
class TokenizerGoldenTest {
    private static final Path GOLDENS = Path.of("src/test/resources/goldens");
    private static final JsonMapper JSON = new JsonMapper();

    static Stream<Path> training() throws IOException {
        return cases("tokenizer_training-");
    }

    static Stream<Path> bpe() throws IOException {
        return cases("tokenizer_training-bpe");
    }

    static Stream<Path> wordpiece() throws IOException {
        return cases("tokenizer_training-wordpiece");
    }

    static Stream<Path> unigram() throws IOException {
        return cases("tokenizer_training-unigram");
    }

    static Stream<Path> encoding() throws IOException {
        return cases("tokenizer-");
    }

    private static Stream<Path> cases(String prefix) throws IOException {
        try (Stream<Path> folders = Files.list(GOLDENS)) {
            return folders
                    .filter(folder -> folder.getFileName().toString().startsWith(prefix))
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    @Test
    void theCasesAreThere() throws IOException {
        assertEquals(10, training().count());
        assertEquals(3, encoding().count());
    }

    @ParameterizedTest
    @MethodSource("bpe")
    void trainsTheSameVocabularyIdsAndMerges(Path folder) throws IOException {
        JsonNode golden = JSON.readTree(Files.readString(folder.resolve("case.json")));
        TokenizerJson trained = new BpeTrainer()
                .train(
                        lines(folder.resolve(golden.path("text_file").asString())),
                        new BpeTrainer.Config(
                                golden.path("vocab_size").asInt(),
                                golden.path("min_frequency").asInt(),
                                special(golden)));
        JsonNode model = JSON.readTree(
                        Files.readString(folder.resolve(golden.path("expected").asString())))
                .path("model");
        assertEquals(model.path("vocab").size(), trained.vocabulary().size());
        for (int id = 0; id < trained.vocabulary().size(); id++) {
            assertEquals(
                    id, model.path("vocab").path(trained.vocabulary().get(id)).asInt(-1));
        }
        List<TokenizerJson.Merge> merges = model.path("merges").values().stream()
                .map(pair -> new TokenizerJson.Merge(
                        pair.path(0).asString(), pair.path(1).asString()))
                .toList();
        assertFalse(merges.isEmpty());
        assertEquals(merges, trained.merges());
        assertArrayEquals(
                ids(folder),
                encodeLines(
                        trained.tokenizer(),
                        folder.resolve(golden.path("eval_file").asString())));
    }

    @ParameterizedTest
    @MethodSource("encoding")
    void encodesTheSameIds(Path folder) throws IOException {
        assertArrayEquals(ids(folder), encodeLines(Tokenizer.load(folder), folder.resolve("text.txt")));
    }

    @ParameterizedTest
    @MethodSource("wordpiece")
    void trainsNearlyTheSameWordPieces(Path folder) throws IOException {
        JsonNode golden = JSON.readTree(Files.readString(folder.resolve("case.json")));
        WordPieceTrainer.Config usual = WordPieceTrainer.Config.of(1000);
        TokenizerJson trained = new WordPieceTrainer()
                .train(
                        lines(folder.resolve("text.txt")),
                        new WordPieceTrainer.Config(
                                golden.path("vocab_size").asInt(),
                                golden.path("min_frequency").asInt(),
                                special(golden),
                                usual.unkToken(),
                                true,
                                Optional.empty(),
                                true,
                                true));
        Path expected = folder.resolve(golden.path("expected").asString());
        JsonNode vocab = JSON.readTree(Files.readString(expected)).path("model").path("vocab");
        Set<String> missing = new HashSet<>(vocab.propertyNames());
        missing.removeAll(trained.vocabulary());
        assertTrue(missing.size() <= 0.01 * vocab.size(), () -> "missing " + missing);
        assertArrayEquals(ids(folder), encodeLines(Tokenizer.load(expected), folder.resolve("eval.txt")));
        // Pieces that are equally frequent are taken in another order than the library's, which draws it at random.
        assertEquals(
                1.0,
                encodeLines(trained.tokenizer(), folder.resolve("eval.txt")).length / (double) ids(folder).length,
                0.005);
    }

    @ParameterizedTest
    @MethodSource("unigram")
    void trainsUnigramsThatCutAsWell(Path folder) throws IOException {
        JsonNode golden = JSON.readTree(Files.readString(folder.resolve("case.json")));
        TokenizerJson trained = new UnigramTrainer()
                .train(
                        lines(folder.resolve("text.txt")),
                        UnigramTrainer.Config.of(golden.path("vocab_size").asInt(), special(golden)));
        JsonNode vocab = JSON.readTree(
                        Files.readString(folder.resolve(golden.path("expected").asString())))
                .path("model")
                .path("vocab");
        Set<String> missing = new HashSet<>();
        vocab.forEach(pair -> missing.add(pair.path(0).asString()));
        int size = missing.size();
        missing.removeAll(trained.vocabulary());
        assertTrue(missing.size() <= 0.02 * size, () -> "missing " + missing);
        assertEquals(
                1.0,
                encodeLines(trained.tokenizer(), folder.resolve("eval.txt")).length / (double) ids(folder).length,
                golden.path("tolerance").asDouble());
    }

    private static List<String> special(JsonNode golden) {
        return golden.path("special_tokens").values().stream()
                .map(JsonNode::asString)
                .toList();
    }

    private static int[] encodeLines(Tokenizer tokenizer, Path file) throws IOException {
        return lines(file).stream()
                .flatMapToInt(line -> IntStream.of(tokenizer.encode(line)))
                .toArray();
    }

    private static List<String> lines(Path file) throws IOException {
        return List.of(Files.readString(file, StandardCharsets.UTF_8).split("\n", -1));
    }

    private static int[] ids(Path folder) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(folder.resolve("golden.safetensors")))
                .order(ByteOrder.LITTLE_ENDIAN);
        int headerLength = (int) bytes.getLong();
        byte[] header = new byte[headerLength];
        bytes.get(header);
        JsonNode ids = JSON.readTree(header).path("ids");
        assertEquals("I64", ids.path("dtype").asString());
        List<Integer> values = new ArrayList<>();
        for (int at = ids.path("data_offsets").path(0).asInt();
                at < ids.path("data_offsets").path(1).asInt();
                at += 8) {
            values.add((int) bytes.getLong(8 + headerLength + at));
        }
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
