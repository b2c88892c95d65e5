package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import quern.models.internal.Json;
import quern.nn.Pass;
import quern.nn.Segment;
import quern.nn.TransformerBlock;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Settings of families with an encoder and a decoder, and of CLIP: what fits, what is refused, what files leave open. */
class EncoderDecoderSettingsTest {
    @TempDir
    Path folder;

    /** A golden case's model folder with some settings changed. */
    private Path changed(String golden, Map<String, Object> changes) throws IOException {
        Path from = GoldenCases.folder(golden);
        Map<String, Object> config = Json.read(from.resolve("config.json"));
        config.putAll(changes);
        Files.write(folder.resolve("config.json"), Json.format(config));
        Files.copy(from.resolve("model.safetensors"), folder.resolve("model.safetensors"));
        return folder;
    }

    static Stream<Arguments> badSettings() {
        return Stream.of(
                Arguments.of(
                        "model-bart-tied", Map.of("encoder_attention_heads", 5), "encoder_attention_heads: 5 heads"),
                Arguments.of(
                        "model-bart-tied", Map.of("decoder_attention_heads", 7), "decoder_attention_heads: 7 heads"),
                Arguments.of("model-bart-tied", Map.of("pad_token_id", 64), "pad_token_id: 64 is outside"),
                Arguments.of("model-blenderbot-tied", Map.of("d_model", 28), "tensors have another shape"),
                Arguments.of("model-blenderbot-tied", Map.of("decoder_layers", 3), "tensors of the model are missing"),
                Arguments.of(
                        "model-blenderbot-tied", Map.of("decoder_layers", 1), "tensors have no place in the model"),
                Arguments.of("model-bart-tied", Map.of("activation_function", "xielu"), "unknown activation 'xielu'"),
                Arguments.of("model-t5-relu-tied", Map.of("feed_forward_proj", "gated-gelu-new"), "feed_forward_proj"),
                Arguments.of("model-t5-relu-tied", Map.of("dense_act_fn", "xielu"), "dense_act_fn"),
                Arguments.of("model-t5-relu-tied", Map.of("relative_attention_max_distance", 4), "is not more than"),
                Arguments.of("model-t5-relu-tied", Map.of("relative_attention_num_buckets", 2), "num_buckets"),
                Arguments.of("model-t5-relu-tied", Map.of("decoder_start_token_id", 99), "decoder_start_token_id: 99"),
                Arguments.of(
                        "model-clip-eos",
                        Map.of("text_config", Map.of("hidden_size", 24, "num_attention_heads", 7)),
                        "num_attention_heads: 7 heads don't divide hidden_size 24"),
                Arguments.of(
                        "model-clip-eos",
                        Map.of("vision_config", Map.of("image_size", 4, "patch_size", 8)),
                        "patch_size: a patch of 8 pixels"));
    }

    @ParameterizedTest
    @MethodSource("badSettings")
    void whatDoesNotFitIsRefusedInOneLine(String golden, Map<String, Object> changes, String part) throws IOException {
        Path bad = changed(golden, changes);
        QuernException e = assertThrows(QuernException.class, () -> LanguageModel.load(bad, DType.FP32, Device.CPU));
        assertTrue(e.getMessage().contains(part), e.getMessage());
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    }

    /** T5 1.1 says that nothing is tied; its files may hold one matrix all the same. */
    @Test
    void t5IsTiedWhenItsFileHoldsOneMatrix() throws IOException {
        Path one = changed("model-t5-gated-unscaled", Map.of("tie_word_embeddings", false));
        try (LanguageModel model = LanguageModel.load(one, DType.FP32, Device.CPU)) {
            assertTrue(names(model).noneMatch("lm_head.weight"::equals));
        }
        try (LanguageModel model = load("model-t5-gated-untied")) {
            assertTrue(names(model).anyMatch("lm_head.weight"::equals));
        }
    }

    /** With nothing tied the common matrix is read by nobody: kept for the file, never trained. */
    @Test
    void anUnreadMatrixIsKeptAndNotTrained() {
        try (LanguageModel model = load("model-bart-untied-scaled")) {
            Parameter shared = model.parameters().stream()
                    .filter(p -> p.name().equals("model.shared.weight"))
                    .findFirst()
                    .orElseThrow();
            assertTrue(!shared.isTrainable());
        }
    }

    @Test
    void unknownKeysOfClipsPartsAreKept() throws IOException {
        Map<String, Object> text = new LinkedHashMap<>(Map.of("note", "mine"));
        text.putAll(textConfig("model-clip-eos"));
        Path noted = changed("model-clip-eos", Map.of("text_config", text));
        try (LanguageModel model = LanguageModel.load(noted, DType.FP32, Device.CPU)) {
            model.save(folder.resolve("again"), SaveOptions.DEFAULT);
        }
        Map<?, ?> saved =
                (Map<?, ?>) Json.read(folder.resolve("again/config.json")).get("text_config");
        assertEquals("mine", saved.get("note"));
        assertEquals("clip_text_model", saved.get("model_type"));
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> textConfig(String golden) {
        return (Map<String, Object>)
                Json.read(GoldenCases.folder(golden).resolve("config.json")).get("text_config");
    }

    /** Some training passes leave blocks out; without dropout nothing else differs between seeds. */
    @Test
    void layerDropLeavesBlocksOutInTraining() throws IOException {
        Path dropped = changed("model-bart-tied", Map.of("encoder_layerdrop", 0.5, "decoder_layerdrop", 0.5));
        try (LanguageModel model = LanguageModel.load(dropped, DType.FP32, Device.CPU);
                Scope scope = Scope.open()) {
            List<Segment> blocks = model.network().segments().stream()
                    .filter(TransformerBlock.class::isInstance)
                    .toList();
            assertEquals(4, blocks.size());
            Tensor ids = Tensor.of(new long[] {5, 6, 7, 8}, 1, 4);
            long losses = Stream.iterate(0L, seed -> seed + 1)
                    .limit(12)
                    .map(seed -> model.network()
                            .infer(model.lossInputs(ids, null, ids), Pass.training(seed))
                            .get("loss")
                            .item())
                    .distinct()
                    .count();
            // Sixteen sets of blocks can be left.
            assertTrue(losses > 2, "only " + losses);
        }
    }

    private static LanguageModel load(String golden) {
        return LanguageModel.load(GoldenCases.folder(golden), DType.FP32, Device.CPU);
    }

    private static Stream<String> names(LanguageModel model) {
        return model.parameters().stream().map(Parameter::name);
    }
}
