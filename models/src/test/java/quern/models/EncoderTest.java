package quern.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Encoders and the heads of all families: what a recipe makes, what a folder says, what is refused. */
class EncoderTest {
    private static final int VOCABULARY = 50;

    @TempDir
    Path folder;

    private static ModelSpec spec(String family, Task task, Map<String, Object> more) {
        Block block = Block.empty(Position.of("recipe.yaml:3:1"))
                .with("family", family)
                .with("hidden_size", 16)
                .with("num_hidden_layers", 2)
                .with("num_attention_heads", 4)
                .with("max_position_embeddings", 32);
        for (Map.Entry<String, Object> e : more.entrySet()) {
            block = block.with(e.getKey(), e.getValue());
        }
        return ModelSpec.fromRecipe(block, VOCABULARY, SpecialTokens.NONE, Optional.of(task));
    }

    @ParameterizedTest
    @CsvSource({
        "bert, num_attention_heads, 3, 3 heads don't divide hidden_size 16",
        "bert, hidden_act, gelo, unknown activation 'gelo'",
        "bert, pad_token_id, 50, outside the vocabulary of 50",
        "bert, position_embedding_type, relative_key, only absolute positions",
        "bert, add_cross_attention, true, add_cross_attention: true",
        "roberta, pad_token_id, 40, 32 rows leave no position after the padding's 40",
        "ernie, type_vocab_size, 0, type_vocab_size",
        "modernbert, local_attention, 0, local_attention",
        "modernbert, num_attention_heads, 16, heads are 1 wide",
        "modernbert, classifier_pooling, max, expected cls or mean",
        "modernbert, global_attn_every_n_layers, 0, expected at least 1"
    })
    void settingsThatDontFitAreNamed(String family, String key, String value, String part) {
        Object plain = value.equals("true") ? Boolean.TRUE : value.matches("[0-9]+") ? Long.valueOf(value) : value;
        QuernException e = assertThrows(QuernException.class, () -> spec(family, Task.MASKED_LM, Map.of(key, plain)));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(part), e.getMessage());
        assertTrue(e.getMessage().startsWith("recipe.yaml:3"), e.getMessage());
    }

    @Test
    void layerTypesMustFitTheBlocks() {
        QuernException one = assertThrows(
                QuernException.class,
                () -> spec("modernbert", Task.MASKED_LM, Map.of("layer_types", List.of("full_attention"))));
        assertTrue(one.getMessage().contains("1 kinds for num_hidden_layers 2"), one.getMessage());
    }

    @Test
    void labelsOfARecipeGoIntoTheFile() {
        ModelSpec spec = spec("llama", Task.SEQUENCE_CLASSIFICATION, Map.of("num_labels", 3L));
        assertEquals("LlamaForSequenceClassification", spec.architecture().name());
        assertEquals(3, spec.head().labels());
        try (LanguageModel model = LanguageModel.create(spec, DType.FP32, Device.CPU, 1)) {
            model.save(folder, SaveOptions.DEFAULT);
        }
        try (LanguageModel again = LanguageModel.load(folder, DType.FP32, Device.CPU);
                Scope scope = Scope.open()) {
            assertEquals(Task.SEQUENCE_CLASSIFICATION, again.spec().task());
            assertEquals(3, ((Map<?, ?>) again.spec().field("id2label")).size());
            Tensor logits = again.logits(Tensor.of(new long[] {1, 2, 3, 4}, 2, 2), null);
            assertArrayEquals(new long[] {2, 3}, logits.shape());
            QuernException e =
                    assertThrows(QuernException.class, () -> new Generator(again, again.generationConfig(), null));
            assertTrue(e.getMessage().contains("LlamaForSequenceClassification"), e.getMessage());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama", "bert", "roberta", "modernbert"})
    void aRewardIsOneNumber(String family) {
        ModelSpec spec = spec(family, Task.REWARD, Map.of());
        assertTrue(spec.architecture().name().endsWith("ForSequenceClassification"));
        try (LanguageModel model = LanguageModel.create(spec, DType.FP32, Device.CPU, 1);
                Scope scope = Scope.open()) {
            Tensor logits = model.logits(Tensor.of(new long[] {5, 6, 7, 8, 9, 10}, 2, 3), null);
            assertArrayEquals(new long[] {2, 1}, logits.shape());
        }
    }

    /** Beside rows of other lengths a text gets what it gets alone. */
    @ParameterizedTest
    @ValueSource(strings = {"bert", "roberta", "modernbert", "llama"})
    void paddingChangesNothing(String family) {
        ModelSpec spec =
                spec(family, Task.SEQUENCE_CLASSIFICATION, Map.of("pad_token_id", 1L, "initializer_range", 0.3));
        try (LanguageModel model = LanguageModel.create(spec, DType.FP32, Device.CPU, 1);
                Scope scope = Scope.open()) {
            Tensor ids = Tensor.of(new long[] {5, 6, 7, 1, 1, 8, 9, 10, 11, 12}, 2, 5);
            Tensor mask = Tensor.of(new long[] {1, 1, 1, 0, 0, 1, 1, 1, 1, 1}, 2, 5);
            float[] beside = model.logits(ids, mask).select(0, 0).contiguous().toFloats();
            float[] alone =
                    model.logits(Tensor.of(new long[] {5, 6, 7}, 1, 3), null).toFloats();
            // Sums over other lengths round differently.
            assertArrayEquals(alone, beside, 1e-4f);
        }
    }
}
