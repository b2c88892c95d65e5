package quern.models;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import quern.recipe.Block;
import quern.recipe.Position;
import quern.tensor.DType;
import quern.tensor.Device;

/** Small models of each family. */
final class TestModels {
    static final int VOCABULARY = 23;
    static final List<String> FAMILIES = List.of("gpt2", "llama");

    private TestModels() {}

    static Block block(Map<String, Object> settings) {
        Block block = Block.empty(Position.of("recipe.yaml:3:1"));
        for (Map.Entry<String, Object> e : settings.entrySet()) {
            block = block.with(e.getKey(), e.getValue());
        }
        return block;
    }

    static Map<String, Object> settings(String family) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("family", family);
        // Both families take these names; GPT-2 as aliases of its own.
        settings.put("hidden_size", 16);
        settings.put("num_hidden_layers", 2);
        settings.put("num_attention_heads", 4);
        settings.put("max_position_embeddings", 32);
        if (!family.equals("custom")) {
            settings.put("dropout", 0.0);
        }
        if (family.equals("llama")) {
            settings.put("num_key_value_heads", 2);
        }
        return settings;
    }

    static ModelSpec spec(String family, Map<String, Object> changes) {
        Map<String, Object> settings = settings(family);
        settings.putAll(changes);
        SpecialTokens tokens = new SpecialTokens(OptionalInt.of(1), OptionalInt.of(2), OptionalInt.empty());
        return ModelSpec.fromRecipe(block(settings), VOCABULARY, tokens);
    }

    static LanguageModel create(String family) {
        return create(family, Map.of(), 7);
    }

    static LanguageModel create(String family, Map<String, Object> changes, long seed) {
        // A wide spread, so that logits differ clearly from token to token.
        Map<String, Object> all = new LinkedHashMap<>(changes);
        all.putIfAbsent("initializer_range", 0.3);
        return LanguageModel.create(spec(family, all), DType.FP32, Device.CPU, seed);
    }
}
