package quern.models;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import quern.nn.Positions;
import quern.tensor.Autograd;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Parameter;
import quern.tensor.RandomStream;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** Small models composed of parts, which between them have every part and every place of a part. */
final class CustomModels {
    /** A share of the values' size, so that norms, biases and sinks differ from what they start as. */
    private static final double SPREAD = 0.2;

    private static final Map<String, Object> RELATIVE =
            Map.of("type", "relative", "num_buckets", 8, "max_distance", 10);
    private static final Map<String, Object> SHAW = Map.of("type", "shaw", "max_relative_position", 3);

    private CustomModels() {}

    static Map<String, Object> with(Object... keysAndValues) {
        Map<String, Object> settings = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            settings.put((String) keysAndValues[i], keysAndValues[i + 1]);
        }
        return settings;
    }

    /** By a name for the test's report. */
    static Map<String, Map<String, Object>> all() {
        Map<String, Map<String, Object>> all = new LinkedHashMap<>();
        all.put("as Llama", with());
        all.put(
                "as GPT-2",
                with(
                        "position",
                        "learned",
                        "norm",
                        "layer_norm",
                        "feed_forward",
                        "gelu",
                        "attention_bias",
                        true,
                        "mlp_bias",
                        true,
                        "tie_word_embeddings",
                        true,
                        "initialization",
                        "gpt2"));
        all.put("gqa", with("attention", "gqa", "num_key_value_heads", 2, "feed_forward", "geglu"));
        all.put("mqa", with("attention", "mqa", "feed_forward", "relu2"));
        all.put("no positions", with("position", "none"));
        all.put("sinusoidal", with("position", "sinusoidal", "feed_forward", "relu"));
        all.put("partial rotary", with("position", Map.of("type", "rotary", "partial_rotary_factor", 0.5)));
        all.put("neighbours", with("position", Map.of("type", "rotary", "pairing", "neighbours"), "head_dim", 6));
        all.put("alibi", with("position", "alibi", "embedding_norm", true));
        all.put("relative", with("position", RELATIVE, "initialization", "t5", "tie_word_embeddings", true));
        all.put("shaw", with("position", SHAW));
        all.put("post", with("norm_placement", "post", "norm", "layer_norm"));
        all.put("sandwich", with("norm_placement", "sandwich", "initialization", "small_init"));
        all.put("qk norm", with("qk_norm", true));
        all.put("qk layer norm", with("qk_norm", true, "norm", Map.of("type", "layer_norm", "bias", false)));
        all.put("parallel", with("parallel_residual", true, "norm", "layer_norm"));
        all.put("caps", with("attn_logit_softcapping", 2.0, "final_logit_softcapping", 3.0));
        all.put("ALiBi and sinks", with("position", "alibi", "attention_sinks", true));
        all.put(
                "flash ALiBi and sinks",
                with("position", "alibi", "attention_sinks", true, "attn_implementation", "flash"));
        all.put("sinks", with("attention_sinks", true, "attention", "gqa", "num_key_value_heads", 2));
        all.put(
                "shaw with all",
                with(
                        "position",
                        SHAW,
                        "attention_sinks",
                        true,
                        "attn_logit_softcapping",
                        2.0,
                        "attention",
                        "gqa",
                        "num_key_value_heads",
                        2));
        all.put("mup", with("initialization", Map.of("type", "mup", "base_width", 8)));
        all.put("eager", with("attn_implementation", "eager"));
        Map<String, Object> local = Map.of("type", "local", "window", 4);
        Map<String, Object> strided = Map.of("type", "strided", "stride", 3);
        Map<String, Object> blocks =
                Map.of("type", "block", "block_size", 2, "num_neighbours", 1, "num_global_blocks", 1);
        Map<String, Object> localGlobal = Map.of("type", "local_global", "window", 3, "num_global_tokens", 2);
        for (Map<String, Object> pattern : List.of(local, strided, blocks, localGlobal)) {
            String name = (String) pattern.get("type");
            all.put(name, with("attention_pattern", pattern));
            all.put(name + " flash", with("attention_pattern", pattern, "attn_implementation", "flash"));
            all.put(
                    name + " flash encoder",
                    with("attention_pattern", pattern, "attn_implementation", "flash", "structure", "encoder"));
        }
        all.put(
                "dense and sparse in turn",
                with("attention_pattern", List.of("full", strided), "attn_implementation", "flash"));
        all.put("flash alibi", with("attn_implementation", "flash", "position", "alibi", "embedding_norm", true));
        all.put(
                "flash sinks",
                with(
                        "attn_implementation",
                        "flash",
                        "attention_sinks",
                        true,
                        "attention",
                        "gqa",
                        "num_key_value_heads",
                        2));
        all.put("flash relative", with("attn_implementation", "flash", "position", RELATIVE));
        all.put("flash prefix", with("attn_implementation", "flash", "structure", "prefix_lm"));
        all.put("flash both", with("attn_implementation", "flash", "structure", "encoder_decoder"));
        for (Object position : List.of("rotary", "learned", "sinusoidal", "alibi", RELATIVE, SHAW)) {
            String name = position instanceof Map<?, ?> block ? (String) block.get("type") : (String) position;
            all.put("prefix " + name, with("structure", "prefix_lm", "position", position));
            all.put("encoder " + name, with("structure", "encoder", "position", position));
            all.put(
                    "both " + name,
                    with("structure", "encoder_decoder", "position", position, "num_encoder_layers", 1));
        }
        all.put(
                "as BERT",
                with(
                        "structure",
                        "encoder",
                        "position",
                        "learned",
                        "norm",
                        "layer_norm",
                        "norm_placement",
                        "post",
                        "embedding_norm",
                        true,
                        "feed_forward",
                        "gelu",
                        "attention_bias",
                        true,
                        "mlp_bias",
                        true,
                        "tie_word_embeddings",
                        true));
        all.put(
                "both sandwich",
                with(
                        "structure",
                        "encoder_decoder",
                        "norm_placement",
                        "sandwich",
                        "attention",
                        "gqa",
                        "num_key_value_heads",
                        2,
                        "qk_norm",
                        true,
                        "tie_word_embeddings",
                        true));
        all.put("both post", with("structure", "encoder_decoder", "norm_placement", "post", "attention_bias", true));
        return all;
    }

    static Task task(Map<String, Object> settings) {
        return switch ((String) settings.getOrDefault("structure", "decoder")) {
            case "encoder" -> Task.MASKED_LM;
            case "encoder_decoder" -> Task.SEQ2SEQ_LM;
            default -> Task.CAUSAL_LM;
        };
    }

    static ModelSpec spec(Map<String, Object> changes) {
        Map<String, Object> settings = TestModels.settings("custom");
        settings.putAll(changes);
        SpecialTokens tokens = new SpecialTokens(OptionalInt.of(1), OptionalInt.of(2), OptionalInt.empty());
        return ModelSpec.fromRecipe(
                TestModels.block(settings), TestModels.VOCABULARY, tokens, Optional.of(task(changes)));
    }

    /** A model whose every parameter is a little off what it starts as. */
    static LanguageModel create(Map<String, Object> changes) {
        LanguageModel model = LanguageModel.create(spec(changes), DType.FP32, Device.CPU, 7);
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            int seed = 0;
            for (Parameter p : model.parameters()) {
                Tensor noise = Tensor.randn(new RandomStream(seed++), p.value().shape());
                p.value().add_(noise.mul(SPREAD));
            }
        }
        return model;
    }

    /** What a model of these settings reads: rows of {@code ids}, and with a prefix the first three. */
    static Map<String, Tensor> batch(Map<String, Object> settings, Tensor ids) {
        Map<String, Tensor> batch = new LinkedHashMap<>(Map.of("input_ids", ids));
        if ("prefix_lm".equals(settings.get("structure"))) {
            batch.put(Positions.PREFIX_LENGTHS, Tensor.full(3, DType.INT64, Device.CPU, ids.size(0)));
        }
        return batch;
    }
}
