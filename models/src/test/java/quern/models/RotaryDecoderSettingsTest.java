package quern.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import quern.models.internal.Json;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.SafetensorsFolder;

/** Settings of the families built like Llama: those that don't fit are refused in one line, and defaults and nulls mean what they do in transformers. */
class RotaryDecoderSettingsTest {
    private static final List<String> FAMILIES =
            List.of("mistral", "qwen2", "qwen3", "phi3", "olmo", "olmo2", "gemma", "gemma2", "granite", "mixtral");

    @TempDir
    Path folder;

    private static DynamicTest refused(String family, Map<String, Object> changes, String message) {
        return DynamicTest.dynamicTest(family + " " + changes, () -> {
            QuernException e = assertThrows(QuernException.class, () -> TestModels.spec(family, changes));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertEquals("recipe.yaml:3:1: " + message, e.getMessage());
        });
    }

    @TestFactory
    Stream<DynamicTest> whatEveryFamilyRefuses() {
        return FAMILIES.stream()
                .flatMap(family -> Stream.of(
                        refused(
                                family,
                                Map.of("num_attention_heads", 3),
                                "num_attention_heads: 3 heads don't divide hidden_size 16; choose a divisor, or give head_dim"),
                        refused(
                                family,
                                Map.of("num_key_value_heads", 3),
                                "num_key_value_heads: 3 doesn't divide num_attention_heads 4; choose a divisor"),
                        refused(
                                family,
                                Map.of("head_dim", 5),
                                "head_dim: heads are 5 wide and 5 dimensions turn; rotary positions turn pairs, so their number must be even"),
                        refused(
                                family,
                                Map.of("pad_token_id", TestModels.VOCABULARY),
                                "pad_token_id: 23 is outside the vocabulary of 23")));
    }

    @TestFactory
    Stream<DynamicTest> settingsThatDoNotFit() {
        return Stream.of(
                refused(
                        "mistral",
                        Map.of("sliding_window", 0),
                        "sliding_window: 0 is out of range; expected at least 1"),
                refused(
                        "gemma2",
                        Map.of("sliding_window", 0),
                        "sliding_window: 0 is out of range; expected at least 1"),
                refused(
                        "qwen2",
                        Map.of("layer_types", List.of("full_attention")),
                        "layer_types: 1 types for 2 blocks; give one for each"),
                refused(
                        "gemma2",
                        Map.of("layer_types", List.of("full_attention", "linear_attention")),
                        "layer_types: unknown type 'linear_attention'; known are full_attention and sliding_attention"),
                refused(
                        "qwen3",
                        Map.of("layer_types", List.of("full_attention", "sliding_attention"), "sliding_window", 4),
                        "layer_types: some blocks slide, but sliding_window is missing or use_sliding_window is false; give both"),
                refused(
                        "mixtral",
                        Map.of("num_local_experts", 2, "num_experts_per_tok", 3),
                        "num_experts_per_tok: 3 of 2 experts; num_local_experts has to be as many"),
                refused(
                        "olmo",
                        Map.of("rope_parameters", Map.of("partial_rotary_factor", 0.5)),
                        "rope_parameters: partial_rotary_factor: 0.5, but heads of this family turn as a whole; leave it out"),
                refused(
                        "phi3",
                        Map.of("rope_parameters", Map.of("rope_type", "linear", "factor", 2.0)),
                        "rope_parameters: rope_type: Phi-3 knows default and longrope, found 'linear'"),
                refused(
                        "phi3",
                        Map.of(
                                "rope_parameters",
                                Map.of(
                                        "rope_type",
                                        "longrope",
                                        "short_factor",
                                        List.of(1.0, 1.0, 1.0),
                                        "long_factor",
                                        List.of(2.0, 2.0))),
                        "rope_parameters: short_factor: 3 factors, expected 2, one for each pair of dimensions"));
    }

    private ModelSpec read(String family, Map<String, Object> changes, Consumer<Map<String, Object>> file)
            throws IOException {
        Map<String, Object> json = TestModels.spec(family, changes).toJson(DType.FP32);
        file.accept(json);
        Files.write(folder.resolve(ModelSpec.FILE), Json.format(json));
        return ModelSpec.read(folder);
    }

    private static List<OptionalInt> windows(ModelSpec spec) {
        RotaryDecoderConfig c = (RotaryDecoderConfig) spec.config();
        return IntStream.range(0, c.layers()).mapToObj(c::window).toList();
    }

    @Test
    void aWindowLeftOutIsTransformersOwnAndNullIsNone() throws IOException {
        ModelSpec absent = read("mistral", Map.of(), json -> json.remove("sliding_window"));
        assertEquals(List.of(OptionalInt.of(4096), OptionalInt.of(4096)), windows(absent));
        ModelSpec none = read("mistral", Map.of(), json -> json.put("sliding_window", null));
        assertEquals(List.of(OptionalInt.empty(), OptionalInt.empty()), windows(none));
        assertTrue(none.toJson(DType.FP32).containsKey("sliding_window"), "null is written, or 4096 would be read");
        assertNull(none.toJson(DType.FP32).get("sliding_window"));
    }

    @Test
    void whichBlocksSlide() throws IOException {
        OptionalInt five = OptionalInt.of(5);
        OptionalInt all = OptionalInt.empty();
        Map<String, Object> slides = Map.of("use_sliding_window", true, "sliding_window", 5);
        Map<String, Object> later = new LinkedHashMap<>(slides);
        later.put("max_window_layers", 1);
        assertEquals(List.of(all, five), windows(TestModels.spec("qwen2", later)));
        assertEquals(List.of(all, all), windows(TestModels.spec("qwen2", slides)), "28 blocks see all");
        assertEquals(List.of(all, all), windows(TestModels.spec("qwen2", Map.of("sliding_window", 5))));
        later.put("layer_types", List.of("sliding_attention", "full_attention"));
        assertEquals(List.of(five, all), windows(TestModels.spec("qwen3", later)));
        assertEquals(List.of(five, all), windows(TestModels.spec("gemma2", Map.of("sliding_window", 5))));
        assertEquals(List.of(five, five), windows(TestModels.spec("mixtral", Map.of("sliding_window", 5))));
        assertEquals(List.of(all, all), windows(TestModels.spec("mixtral", Map.of())));
    }

    @Test
    void softCapsLeftOutAreTransformersOwnAndNullIsNone() throws IOException {
        ModelSpec absent = read("gemma2", Map.of(), json -> {
            json.remove("final_logit_softcapping");
            json.put("attn_logit_softcapping", null);
        });
        assertEquals(30.0, absent.field("final_logit_softcapping"));
        assertFalse(absent.settings().containsKey("attn_logit_softcapping"));
    }

    @Test
    void olderNamesOfLongRope() throws IOException {
        ModelSpec spec = read("phi3", Map.of("original_max_position_embeddings", 16), json -> {
            json.remove("rope_parameters");
            json.put("rope_theta", 500.0);
            json.put(
                    "rope_scaling",
                    Map.of("type", "su", "short_factor", List.of(1, 1.5), "long_factor", List.of(2, 3)));
        });
        RopeParameters rope = ((RotaryDecoderConfig) spec.config()).ropeParameters();
        assertEquals("longrope", rope.ropeType());
        assertEquals(500.0, rope.ropeTheta());
        assertEquals(16, rope.originalMaxPositionEmbeddings().orElseThrow());
        assertEquals(List.of(1.0, 1.5), rope.shortFactor().orElseThrow());
    }

    /** Each expert is a tensor of its own in the file, and what is missing is named as there. */
    @Test
    void expertsInFiles() {
        try (LanguageModel model = TestModels.create("mixtral", Map.of("num_local_experts", 3), 5)) {
            model.save(folder, SaveOptions.DEFAULT);
        }
        try (SafetensorsFolder files = SafetensorsFolder.open(folder)) {
            String expert = "model.layers.1.block_sparse_moe.experts.2.";
            assertTrue(files.names().containsAll(List.of(expert + "w1.weight", expert + "w2.weight")));
            assertEquals(64, files.entry(expert + "w3.weight").shape()[0]);
        }
        LanguageModel.load(folder, DType.BF16, Device.CPU).close();
        QuernException e = assertThrows(QuernException.class, () -> {
            Map<String, Object> json = Json.read(folder.resolve(ModelSpec.FILE));
            json.put("num_local_experts", 4);
            Files.write(folder.resolve(ModelSpec.FILE), Json.format(json));
            LanguageModel.load(folder, DType.FP32, Device.CPU).close();
        });
        assertTrue(
                e.getMessage()
                        .startsWith(folder + ": 6 tensors of the model are missing: "
                                + "model.layers.0.block_sparse_moe.experts.3.w1.weight, "),
                e.getMessage());
    }
}
