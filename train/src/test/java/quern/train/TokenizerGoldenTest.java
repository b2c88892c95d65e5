package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.data.BpeTrainer;
import quern.data.TokenizerJson;
import quern.data.UnigramTrainer;
import quern.data.WordPieceTrainer;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCheck;
import quern.recipe.GoldenResult;
import quern.recipe.Goldens;
import quern.recipe.QuernException;

/** Cases of kinds {@code tokenizer} and {@code tokenizer_training}, made here, whole and with one thing changed. */
class TokenizerGoldenTest {
    private static final List<String> LINES =
            List.of("the fox and the hen", "the fox ran", "", "a hen ran  and ran\r", "the hen and the fox");
    private static final List<String> EVALUATED = List.of("the hens", " and a fox", "");
    private static final int VOCABULARY = 270;

    @TempDir
    Path folder;

    private TokenizerJson trained;

    @BeforeEach
    void write() throws IOException {
        trained = new BpeTrainer().train(LINES, BpeTrainer.Config.of(VOCABULARY));
        Files.writeString(folder.resolve("text.txt"), String.join("\n", LINES) + "\n");
        Files.writeString(folder.resolve("eval.txt"), String.join("\n", EVALUATED));
        Files.writeString(folder.resolve("expected_tokenizer.json"), trained.tokenizerJson());
        Files.writeString(folder.resolve("tokenizer.json"), trained.tokenizerJson());
    }

    private void training(String type, long[] ids) throws IOException {
        training(type, ids, VOCABULARY);
    }

    private void training(String type, long[] ids, int vocabulary) throws IOException {
        Files.writeString(folder.resolve("case.json"), """
                {"kind":"tokenizer_training","name":"made here","type":"%s","vocab_size":%d,"min_frequency":2,
                "special_tokens":["<|endoftext|>"],"text_file":"text.txt","eval_file":"eval.txt",
                "expected":"expected_tokenizer.json"}
                """.formatted(type, vocabulary));
        tensors(ids);
    }

    private long[] ids(List<String> lines) {
        return lines.stream()
                .flatMapToInt(line -> Arrays.stream(trained.tokenizer().encode(line)))
                .asLongStream()
                .toArray();
    }

    private void tensors(long[] ids) throws IOException {
        byte[] header = "{\"ids\":{\"dtype\":\"I64\",\"shape\":[%d],\"data_offsets\":[0,%d]}}"
                .formatted(ids.length, ids.length * Long.BYTES)
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer file = ByteBuffer.allocate(Long.BYTES + header.length + ids.length * Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(header.length).put(header);
        for (long id : ids) {
            file.putLong(id);
        }
        Files.write(folder.resolve("golden.safetensors"), file.array());
    }

    private GoldenResult replay() {
        return Goldens.replayAll(Goldens.find(List.of(folder))).getFirst();
    }

    @Test
    void aTrainingThatIsReproducedHolds() throws IOException {
        training("bpe", ids(EVALUATED));
        assertTrue(trained.merges().size() > 5, "the text must have something to merge");
        assertEquals(
                List.of(
                        new GoldenCheck("vocabulary", 0, 0, true),
                        new GoldenCheck("merges", 0, 0, true),
                        new GoldenCheck("ids", 0, 0, true)),
                replay().checks());
    }

    @Test
    void otherMergesAndIdsAreSeen() throws IOException {
        long[] ids = ids(EVALUATED);
        ids[0]++;
        training("bpe", ids);
        List<TokenizerJson.Merge> merges = new ArrayList<>(trained.merges());
        merges.set(1, new TokenizerJson.Merge("q", "q"));
        TokenizerJson other = new TokenizerJson(
                trained.vocabulary(),
                merges,
                trained.specialTokens(),
                trained.endOfText(),
                trained.unknown(),
                trained.parts());
        Files.writeString(folder.resolve("expected_tokenizer.json"), other.tokenizerJson());
        GoldenResult result = replay();
        assertFalse(result.ok());
        assertEquals(
                List.of(0.0, 1.0, 1.0),
                result.checks().stream().map(GoldenCheck::error).toList());
    }

    @Test
    void typesThatAreNotTrainedAreBadInput() throws IOException {
        training("sentences", ids(EVALUATED));
        QuernException e = assertThrows(QuernException.class, this::replay);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertEquals(
                folder.resolve("case.json")
                        + ": unknown tokenizer type 'sentences'; expected bpe, wordpiece or unigram",
                e.getMessage());
    }

    @Test
    void wordPiecesAreComparedAsASetAndByTheirNumber() throws IOException {
        TokenizerJson pieces = new WordPieceTrainer()
                .train(
                        LINES,
                        new WordPieceTrainer.Config(
                                60, 2, List.of("<|endoftext|>"), "[UNK]", true, Optional.empty(), true, true));
        Files.writeString(folder.resolve("expected_tokenizer.json"), pieces.tokenizerJson());
        trained = pieces;
        training("wordpiece", ids(EVALUATED), 60);
        assertEquals(
                List.of(
                        new GoldenCheck("vocabulary", 0, 0.01, true),
                        new GoldenCheck("tokens", 0, 0.005, true),
                        new GoldenCheck("ids", 0, 0, true)),
                replay().checks());
        training("wordpiece", Arrays.copyOf(ids(EVALUATED), 4), 60);
        GoldenResult fewer = replay();
        assertEquals(
                List.of(true, false, false),
                fewer.checks().stream().map(GoldenCheck::ok).toList());
        Files.writeString(
                folder.resolve("expected_tokenizer.json"),
                pieces.tokenizerJson().replace("\"hen\"", "\"hxn\""));
        training("wordpiece", ids(EVALUATED), 60);
        assertFalse(replay().checks().getFirst().ok());
    }

    @Test
    void unigramsAreComparedByTheNumberOfTokens() throws IOException {
        trained = new UnigramTrainer().train(LINES, UnigramTrainer.Config.of(30, List.of("<|endoftext|>")));
        training("unigram", ids(EVALUATED), 30);
        assertThrows(QuernException.class, this::replay, "there is no tolerance");
        String golden = Files.readString(folder.resolve("case.json"));
        Files.writeString(folder.resolve("case.json"), golden.replace("\"min_frequency\":2", "\"tolerance\":0.02"));
        assertEquals(List.of(new GoldenCheck("tokens", 0, 0.02, true)), replay().checks());
        tensors(Arrays.copyOf(ids(EVALUATED), 3));
        assertFalse(replay().ok());
    }

    @Test
    void aTokenizerEncodesLineByLine() throws IOException {
        Files.writeString(
                folder.resolve("case.json"),
                "{\"kind\":\"tokenizer\",\"name\":\"made here\",\"text_file\":\"text.txt\"}");
        long[] ids = ids(LINES);
        tensors(ids);
        assertEquals(List.of(new GoldenCheck("ids", 0, 0, true)), replay().checks());
        tensors(Arrays.copyOf(ids, ids.length - 2));
        assertEquals(List.of(new GoldenCheck("ids", 2, 0, false)), replay().checks());
    }

    @Test
    void missingFilesAreBadInput() throws IOException {
        training("bpe", ids(EVALUATED));
        Files.delete(folder.resolve("eval.txt"));
        QuernException e = assertThrows(QuernException.class, this::replay);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith(folder.resolve("eval.txt") + ": can't be read"), e.getMessage());
    }
}
