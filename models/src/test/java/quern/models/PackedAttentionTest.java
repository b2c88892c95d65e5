package quern.models;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;

/**
 * Packing in every attention, pattern, way to compute it and kind of position of composed models: another document's tokens
 * change no bit, and the loss is that of the documents alone.
 */
class PackedAttentionTest {
    /** Gradients of random weights; as {@link DocumentsTest} has it. */
    private static final double GRADIENT = 3e-6;

    private static Map<String, Object> settings(Object... changes) {
        Map<String, Object> all = new HashMap<>(Map.of(
                "hidden_size", 16, "num_hidden_layers", 2, "num_attention_heads", 4, "max_position_embeddings", 32));
        for (int i = 0; i < changes.length; i += 2) {
            all.put((String) changes[i], changes[i + 1]);
        }
        return all;
    }

    private static Map<String, Map<String, Object>> cases() {
        Map<String, Object> patterns = new LinkedHashMap<>();
        patterns.put("full", "full");
        patterns.put("local", Map.of("type", "local", "window", 4));
        patterns.put("strided", Map.of("type", "strided", "stride", 5));
        patterns.put("block", Map.of("type", "block", "block_size", 4, "num_neighbours", 1, "num_global_blocks", 1));
        patterns.put("local_global", Map.of("type", "local_global", "window", 3, "num_global_tokens", 2));
        Map<String, Map<String, Object>> all = new LinkedHashMap<>();
        patterns.forEach((name, pattern) -> {
            for (String way : List.of("eager", "flash")) {
                all.put(name + ", " + way, settings("attention_pattern", pattern, "attn_implementation", way));
            }
        });
        for (String attention : List.of("mha", "mqa", "mla")) {
            all.put(attention, settings("attention", attention));
        }
        all.put("gqa", settings("attention", "gqa", "num_key_value_heads", 2));
        for (String position : List.of("rotary", "alibi", "learned", "sinusoidal", "relative", "shaw", "none")) {
            all.put(position, settings("position", position));
        }
        return all;
    }

    @TestFactory
    Stream<DynamicTest> documentsOfOneRowAreAsAlone() {
        return cases().entrySet().stream()
                .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> {
                    try (LanguageModel model = LanguageModel.create(
                                    TestModels.spec("custom", e.getValue()), DType.FP32, Device.CPU, 7);
                            Scope scope = Scope.open()) {
                        DocumentsTest.assertSeesItselfOnly(model, 5, 1, 12, 3);
                        DocumentsTest.assertPackedEqualsAlone(model, GRADIENT, 5, 1, 12, 3);
                    }
                }));
    }
}
