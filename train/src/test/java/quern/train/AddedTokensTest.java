package quern.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.data.Tokenizer;
import quern.models.LanguageModel;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;

/** A folder's model goes on with tokens added to its vocabulary: in embedding and head, tied or not. */
class AddedTokensTest {
    private static final String ADD = "tokenizer={added_tokens: [<thought>, miller], added_special_tokens: [<end>]%s}";

    @TempDir
    Path folder;

    @BeforeEach
    void threads() {
        ComputeThreads.use(2);
    }

    private Path first(String model) {
        return TinyRuns.train(TinyRuns.blockOf(model, folder, "max_steps=4", "output_dir=" + folder.resolve("first")))
                .folder();
    }

    private Block more(Path first, String... overrides) {
        return TinyRuns.blockOf(
                "{path: " + first + "}",
                folder,
                Stream.concat(Stream.of("output_dir=" + folder.resolve("more")), Stream.of(overrides))
                        .toArray(String[]::new));
    }

    private static float[] row(LanguageModel model, String parameter, int row) {
        try (Scope scope = Scope.open()) {
            Parameter found = model.parameters().stream()
                    .filter(p -> p.name().equals(parameter))
                    .findFirst()
                    .orElseThrow();
            return found.value().detach().select(0, row).contiguous().toFloats();
        }
    }

    private static LanguageModel load(Path folder) {
        return LanguageModel.load(folder, DType.FP32, Device.CPU);
    }

    @ParameterizedTest
    @CsvSource({"true, lm_head.weight", "false, lm_head.weight"})
    void newVectorsAreTheMeanOfTheirPieces(boolean tied, String head) {
        String model = TinyRuns.LLAMA.replace("}", ", tie_word_embeddings: " + tied + "}");
        Path first = first(model);
        Preparation preparation = Preparation.of(more(first, ADD.formatted("")), note -> {});
        Tokenizer before = Tokenizer.load(first);
        Tokenizer after = preparation.tokenizer();
        int size = before.vocabularySize();
        assertEquals(size + 3, after.vocabularySize());
        assertEquals(size + 3, preparation.spec().config().vocabSize());
        try (LanguageModel old = load(first);
                LanguageModel extended = preparation.model()) {
            for (String name : tied
                    ? new String[] {"model.embed_tokens.weight"}
                    : new String[] {"model.embed_tokens.weight", head}) {
                for (int id = 0; id < size; id++) {
                    assertArrayEquals(row(old, name, id), row(extended, name, id), name);
                }
                float[] mean = new float[16];
                int[] pieces = before.encode("miller");
                for (int piece : pieces) {
                    float[] vector = row(old, name, piece);
                    for (int i = 0; i < mean.length; i++) {
                        mean[i] += vector[i] / pieces.length;
                    }
                }
                // Sums of six numbers below 1 in another order.
                assertArrayEquals(mean, row(extended, name, after.id("miller")), 1e-6f, name);
            }
            assertEquals(
                    tied, extended.parameters().stream().noneMatch(p -> p.name().equals(head)));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mean", "normal"})
    void otherBeginningsAreDifferent(String initialization) {
        Path first = first(TinyRuns.GPT2);
        Preparation preparation =
                Preparation.of(more(first, ADD.formatted(", embedding_initialization: " + initialization)), note -> {});
        int id = preparation.tokenizer().id("<thought>");
        int other = preparation.tokenizer().id("miller");
        try (LanguageModel extended = preparation.model();
                LanguageModel again = preparation.model()) {
            float[] vector = row(extended, "transformer.wte.weight", id);
            assertArrayEquals(vector, row(again, "transformer.wte.weight", id), "drawn from the seed");
            boolean same = Arrays.equals(vector, row(extended, "transformer.wte.weight", other));
            assertEquals(initialization.equals("mean"), same);
            double square = 0;
            for (float x : vector) {
                square += x * x;
            }
            assertTrue(square > 0, "the row is empty");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {TinyRuns.GPT2, TinyRuns.LLAMA, "{family: bloom, hidden_size: 16, n_layer: 1, n_head: 2}"})
    void trainingGoesOnStopsAndGoesOn(String model) {
        Path first = first(model);
        String[] overrides = {ADD.formatted(""), "max_steps=8", "optim=adamw"};
        TrainingRun.Outcome whole = TinyRuns.train(more(first, overrides));
        Path run = whole.folder();
        assertEquals(
                3, Tokenizer.load(run).vocabularySize() - Tokenizer.load(first).vocabularySize());
        try (LanguageModel trained = load(run)) {
            assertEquals(Tokenizer.load(run).vocabularySize(), trained.config().vocabSize());
        }
        TrainingRun.Outcome half = TinyRuns.trainUntil(
                more(
                        first,
                        Stream.concat(Stream.of(overrides), Stream.of("output_dir=" + folder.resolve("half")))
                                .toArray(String[]::new)),
                4);
        TrainingRun.Outcome resumed = TinyRuns.resume(half.folder());
        assertEquals(whole.evaluation().get("eval_loss"), resumed.evaluation().get("eval_loss"));
    }

    @Test
    void tokensAreAddedToATrainedTokenizer() {
        TrainingRun.Outcome run = TinyRuns.train(TinyRuns.block(
                folder, "max_steps=2", "tokenizer={type: bpe, vocab_size: 270, added_special_tokens: [<end>]}"));
        Tokenizer tokenizer = Tokenizer.load(run.folder());
        assertArrayEquals(new int[] {tokenizer.vocabularySize() - 1}, tokenizer.encode("<end>"));
    }

    @Test
    void whatHasNoEffectIsBadInput() {
        Path first = first(TinyRuns.GPT2);
        for (String wrong : new String[] {
            "tokenizer={embedding_initialization: mean}",
            "tokenizer={added_tokens: [<x>], embedding_initialization: best}",
            "tokenizer={added_tokens: [<x>, <x>]}",
            "tokenizer={added_tokens: [a]}",
            "tokenizer={added_token: [<x>]}"
        }) {
            QuernException error =
                    assertThrows(QuernException.class, () -> Preparation.of(more(first, wrong), note -> {}), wrong);
            assertEquals(1, error.getMessage().lines().count(), error.getMessage());
        }
    }
}
