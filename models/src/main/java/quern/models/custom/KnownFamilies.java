package quern.models.custom;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Stream;
import quern.models.KnownForm;
import quern.models.KnownForm.Parameters;
import quern.models.Task;
import quern.models.part.NormPart;
import quern.models.part.NormPlacement;
import quern.models.part.Parts;
import quern.models.part.PatternPart;
import quern.models.part.attention.FullPattern;
import quern.models.part.attention.GroupedQuery;
import quern.models.part.attention.LocalPattern;
import quern.models.part.attention.MultiHead;
import quern.models.part.attention.MultiQuery;
import quern.models.part.feedforward.Geglu;
import quern.models.part.feedforward.Gelu;
import quern.models.part.feedforward.GeluApproximation;
import quern.models.part.feedforward.Relu;
import quern.models.part.feedforward.SquaredRelu;
import quern.models.part.feedforward.Swiglu;
import quern.models.part.norm.LayerNorm;
import quern.models.part.norm.RmsNorm;
import quern.models.part.position.Alibi;
import quern.models.part.position.Learned;
import quern.models.part.position.Rotary;
import quern.models.part.structure.Decoder;
import quern.models.part.structure.Encoder;
import quern.models.part.structure.NoRecurrence;
import quern.models.part.structure.NoSharing;
import quern.nn.Activation;
import quern.tensor.Tensor;

/**
 * Which composed models are one of a known family, and how their parameters become its. Where dropout of the family's own
 * can't be what the model has, the model isn't of the family.
 */
final class KnownFamilies {
    private static final String TOKENS = "model.embed_tokens.weight";

    private KnownFamilies() {}

    static Optional<KnownForm> of(Config c, Task task) {
        if (!isPlain(c)) {
            return Optional.empty();
        }
        if (window(c).isPresent()) {
            return mistral(c, window(c).getAsInt());
        }
        return isFull(c)
                ? Stream.of(llama(c), gpt2(c, task), gptNeox(c, task), bloom(c, task), bert(c, task))
                        .flatMap(Optional::stream)
                        .findFirst()
                : Optional.empty();
    }

    private static boolean isFull(Config c) {
        return c.parts().patterns().stream().allMatch(FullPattern.Config.class::isInstance);
    }

    /** The window of a model whose blocks all have the same one. */
    private static OptionalInt window(Config c) {
        return c.parts().patterns().stream().distinct().toList() instanceof List<PatternPart> one
                        && one.size() == 1
                        && one.getFirst() instanceof LocalPattern.Config local
                ? OptionalInt.of(local.window())
                : OptionalInt.empty();
    }

    /** Whether nothing is there that no known family has. */
    private static boolean isPlain(Config c) {
        Parts p = c.parts();
        boolean heads = p.attention() instanceof MultiHead.Config
                || p.attention() instanceof MultiQuery.Config
                || p.attention() instanceof GroupedQuery.Config;
        return heads
                && p.recurrence() instanceof NoRecurrence.Config
                && p.sharing() instanceof NoSharing.Config
                && c.embeddingSize().isEmpty()
                && !c.attentionSinks()
                && c.attnLogitSoftcapping().isEmpty()
                && c.finalLogitSoftcapping().isEmpty()
                && c.residualDropout() == c.embeddingDropout()
                && p.initialization().logitFactor(c) == 1
                && p.initialization().attentionScale(c.headWidth(), c) == 1 / Math.sqrt(c.headWidth());
    }

    private static Map<String, Object> common(Config c) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("vocab_size", c.vocabSize());
        settings.put("hidden_size", c.hiddenSize());
        settings.put("num_hidden_layers", c.numHiddenLayers());
        settings.put("num_attention_heads", c.numAttentionHeads());
        settings.put("intermediate_size", c.innerWidth());
        settings.put("max_position_embeddings", c.maxPositionEmbeddings());
        settings.put("tie_word_embeddings", c.tieWordEmbeddings());
        settings.put("initializer_range", c.standardDeviation());
        return settings;
    }

    /** Llama, and with norms on queries and keys Qwen 3. */
    private static Optional<KnownForm> llama(Config c) {
        Parts p = c.parts();
        Optional<String> activation = activation(c, true);
        boolean is = p.structure() instanceof Decoder.Config
                && p.norm() instanceof RmsNorm.Config
                && c.normPlacement() == NormPlacement.PRE
                && !c.embeddingNorm()
                && !c.parallelResidual()
                && !(c.qkNorm() && c.mlpBias())
                && p.position() instanceof Rotary.Config r
                && r.partialRotaryFactor() == 1
                && r.pairing() == Rotary.Pairing.HALVES
                && activation.isPresent();
        if (!is) {
            return Optional.empty();
        }
        Map<String, Object> settings = common(c);
        settings.put("num_key_value_heads", c.keyValueHeads());
        settings.put("head_dim", c.headWidth());
        settings.put("hidden_act", activation.get());
        settings.put("rms_norm_eps", ((RmsNorm.Config) p.norm()).eps());
        settings.put("rope_parameters", Map.of("rope_theta", ((Rotary.Config) p.position()).ropeTheta()));
        settings.put("attention_bias", c.attentionBias());
        settings.put("attention_dropout", c.attentionDropout());
        if (c.residualDropout() > 0) {
            settings.put("dropout", c.residualDropout());
        }
        c.padTokenId().ifPresent(id -> settings.put("pad_token_id", id));
        if (!c.qkNorm()) {
            settings.put("mlp_bias", c.mlpBias());
        }
        return Optional.of(new KnownForm(c.qkNorm() ? "qwen3" : "llama", settings, (name, own) -> own.get(name)));
    }

    /** A Llama without biases whose blocks see a window. */
    private static Optional<KnownForm> mistral(Config c, int window) {
        if (c.qkNorm() || c.attentionBias() || c.mlpBias()) {
            return Optional.empty();
        }
        return llama(c).map(llama -> {
            Map<String, Object> settings = new LinkedHashMap<>(llama.settings());
            settings.remove("attention_bias");
            settings.remove("mlp_bias");
            settings.put("sliding_window", window);
            return new KnownForm("mistral", settings, llama.conversion());
        });
    }

    private static Optional<KnownForm> gpt2(Config c, Task task) {
        boolean is = task == Task.CAUSAL_LM
                && isBiased(c)
                && c.parts().structure() instanceof Decoder.Config
                && c.parts().position() instanceof Learned.Config
                && c.normPlacement() == NormPlacement.PRE
                && !c.embeddingNorm()
                && !c.parallelResidual();
        if (!is) {
            return Optional.empty();
        }
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("vocab_size", c.vocabSize());
        settings.put("n_positions", c.maxPositionEmbeddings());
        settings.put("n_embd", c.hiddenSize());
        settings.put("n_layer", c.numHiddenLayers());
        settings.put("n_head", c.numAttentionHeads());
        settings.put("n_inner", c.innerWidth());
        settings.put("activation_function", activation(c, false).orElseThrow());
        settings.put("resid_pdrop", c.residualDropout());
        settings.put("embd_pdrop", c.embeddingDropout());
        settings.put("attn_pdrop", c.attentionDropout());
        settings.put("layer_norm_epsilon", eps(c));
        settings.put("initializer_range", c.standardDeviation());
        settings.put("tie_word_embeddings", c.tieWordEmbeddings());
        return Optional.of(new KnownForm("gpt2", settings, (name, own) -> {
            String ours = name.replace("transformer.h.", "model.layers.")
                    .replace("transformer.wte", "model.embed_tokens")
                    .replace("transformer.wpe", "model.embed_positions")
                    .replace("transformer.ln_f", "model.norm")
                    .replace(".ln_1.", ".input_layernorm.")
                    .replace(".ln_2.", ".post_attention_layernorm.")
                    .replace(".attn.c_proj.", ".self_attn.o_proj.")
                    .replace(".mlp.c_fc.", ".mlp.up_proj.")
                    .replace(".mlp.c_proj.", ".mlp.down_proj.");
            int fused = ours.indexOf(".attn.c_attn.");
            return fused < 0 ? own.get(ours) : sideBySide(own, ours.substring(0, fused), ours.substring(fused + 13));
        }));
    }

    private static Optional<KnownForm> gptNeox(Config c, Task task) {
        boolean is = task == Task.CAUSAL_LM
                && isBiased(c)
                && c.parts().structure() instanceof Decoder.Config
                && c.parts().position() instanceof Rotary.Config r
                && r.pairing() == Rotary.Pairing.HALVES
                && c.normPlacement() == NormPlacement.PRE
                && !c.embeddingNorm();
        if (!is) {
            return Optional.empty();
        }
        Rotary.Config rotary = (Rotary.Config) c.parts().position();
        Map<String, Object> settings = common(c);
        settings.put("hidden_act", activation(c, false).orElseThrow());
        settings.put("attention_dropout", c.attentionDropout());
        settings.put("hidden_dropout", c.residualDropout());
        settings.put("layer_norm_eps", eps(c));
        settings.put("use_parallel_residual", c.parallelResidual());
        settings.put(
                "rope_parameters",
                Map.of("rope_theta", rotary.ropeTheta(), "partial_rotary_factor", rotary.partialRotaryFactor()));
        settings.put("attention_bias", true);
        return Optional.of(new KnownForm("gpt_neox", settings, (name, own) -> {
            String ours = name.replace("gpt_neox.embed_in", "model.embed_tokens")
                    .replace("gpt_neox.layers.", "model.layers.")
                    .replace("gpt_neox.final_layer_norm", "model.norm")
                    .replace(".attention.dense.", ".self_attn.o_proj.")
                    .replace(".mlp.dense_h_to_4h.", ".mlp.up_proj.")
                    .replace(".mlp.dense_4h_to_h.", ".mlp.down_proj.");
            return grouped(own, ours, ".attention.query_key_value.", c);
        }));
    }

    private static Optional<KnownForm> bloom(Config c, Task task) {
        boolean is = task == Task.CAUSAL_LM
                && isBiased(c)
                && c.parts().structure() instanceof Decoder.Config
                && c.parts().position() instanceof Alibi.Config
                && c.parts().feedForward() instanceof Gelu.Config g
                && g.approximate() == GeluApproximation.TANH
                && c.innerWidth() == 4 * c.hiddenSize()
                && c.normPlacement() == NormPlacement.PRE
                && c.embeddingNorm()
                && c.embeddingDropout() == 0
                && !c.parallelResidual();
        if (!is) {
            return Optional.empty();
        }
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("vocab_size", c.vocabSize());
        settings.put("hidden_size", c.hiddenSize());
        settings.put("n_layer", c.numHiddenLayers());
        settings.put("n_head", c.numAttentionHeads());
        settings.put("seq_length", c.maxPositionEmbeddings());
        settings.put("layer_norm_epsilon", eps(c));
        settings.put("initializer_range", c.standardDeviation());
        settings.put("hidden_dropout", 0.0);
        settings.put("attention_dropout", c.attentionDropout());
        settings.put("tie_word_embeddings", c.tieWordEmbeddings());
        return Optional.of(new KnownForm("bloom", settings, (name, own) -> {
            String ours = name.replace("transformer.word_embeddings_layernorm", "model.embed_norm")
                    .replace("transformer.word_embeddings", "model.embed_tokens")
                    .replace("transformer.h.", "model.layers.")
                    .replace("transformer.ln_f", "model.norm")
                    .replace(".self_attention.dense.", ".self_attn.o_proj.")
                    .replace(".mlp.dense_h_to_4h.", ".mlp.up_proj.")
                    .replace(".mlp.dense_4h_to_h.", ".mlp.down_proj.");
            return grouped(own, ours, ".self_attention.query_key_value.", c);
        }));
    }

    private static Optional<KnownForm> bert(Config c, Task task) {
        boolean is = task == Task.MASKED_LM
                && isBiased(c)
                && c.parts().structure() instanceof Encoder.Config
                && c.parts().position() instanceof Learned.Config
                && c.parts().feedForward() instanceof Gelu.Config
                && c.normPlacement() == NormPlacement.POST
                && c.embeddingNorm();
        if (!is) {
            return Optional.empty();
        }
        Map<String, Object> settings = common(c);
        settings.put("hidden_act", activation(c, false).orElseThrow());
        settings.put("hidden_dropout_prob", c.residualDropout());
        settings.put("attention_probs_dropout_prob", c.attentionDropout());
        settings.put("layer_norm_eps", eps(c));
        settings.put("type_vocab_size", 1);
        settings.put("pad_token_id", c.padding());
        return Optional.of(new KnownForm("bert", settings, (name, own) -> {
            if (name.equals("bert.embeddings.token_type_embeddings.weight")) {
                return Tensor.zeros(own.get(TOKENS).dtype(), own.get(TOKENS).device(), 1, c.hiddenSize());
            }
            return own.get(name.replace("bert.embeddings.word_embeddings", "model.embed_tokens")
                    .replace("bert.embeddings.position_embeddings", "model.embed_positions")
                    .replace("bert.embeddings.LayerNorm", "model.embed_norm")
                    .replace("bert.encoder.layer.", "model.layers.")
                    .replace(".attention.self.query.", ".self_attn.q_proj.")
                    .replace(".attention.self.key.", ".self_attn.k_proj.")
                    .replace(".attention.self.value.", ".self_attn.v_proj.")
                    .replace(".attention.output.dense.", ".self_attn.o_proj.")
                    .replace(".attention.output.LayerNorm.", ".post_attention_layernorm.")
                    .replace(".intermediate.dense.", ".mlp.up_proj.")
                    .replace(".output.dense.", ".mlp.down_proj.")
                    .replace(".output.LayerNorm.", ".post_feedforward_layernorm.")
                    .replace("cls.predictions.transform.dense", "cls.transform.dense")
                    .replace("cls.predictions.transform.LayerNorm", "cls.transform.norm")
                    .replace("cls.predictions.decoder.bias", "cls.bias")
                    .replace("cls.predictions.decoder.weight", "cls.decoder.weight")
                    .replace("cls.predictions.bias", "cls.bias"));
        }));
    }

    /** Whether there are biases everywhere, in layer norms too, and heads that split the stream's width with keys of their own. */
    private static boolean isBiased(Config c) {
        return c.parts().attention() instanceof MultiHead.Config
                && c.parts().norm() instanceof LayerNorm.Config n
                && n.bias()
                && c.attentionBias()
                && c.mlpBias()
                && !c.qkNorm()
                && c.headWidth() * c.numAttentionHeads() == c.hiddenSize()
                && activation(c, false).isPresent();
    }

    private static double eps(Config c) {
        NormPart norm = c.parts().norm();
        return norm instanceof LayerNorm.Config n ? n.eps() : ((RmsNorm.Config) norm).eps();
    }

    /** Hugging Face's name for the activation of a part with a gate, or of one without. */
    private static Optional<String> activation(Config c, boolean gated) {
        return switch (c.parts().feedForward()) {
            case Swiglu.Config swiglu when gated -> Optional.of("silu");
            case Geglu.Config geglu
            when gated -> Optional.of(geglu.headActivation() == Activation.GELU ? "gelu" : "gelu_pytorch_tanh");
            case Gelu.Config gelu
            when !gated -> Optional.of(gelu.headActivation() == Activation.GELU ? "gelu" : "gelu_new");
            case Relu.Config relu when !gated -> Optional.of("relu");
            case SquaredRelu.Config relu when !gated -> Optional.of("relu2");
            default -> Optional.empty();
        };
    }

    /** All queries before all keys before all values. */
    private static Tensor sideBySide(Parameters own, String block, String kind) {
        return Tensor.cat(
                List.of(
                        own.get(block + ".self_attn.q_proj." + kind),
                        own.get(block + ".self_attn.k_proj." + kind),
                        own.get(block + ".self_attn.v_proj." + kind)),
                0);
    }

    /** For each head its query, its key, its value; any parameter but that called {@code fused} as it is. */
    private static Tensor grouped(Parameters own, String name, String fused, Config c) {
        int at = name.indexOf(fused);
        if (at < 0) {
            return own.get(name);
        }
        Tensor all = sideBySide(own, name.substring(0, at), name.substring(at + fused.length()));
        long[] shape = all.shape();
        long in = shape.length == 1 ? 1 : shape[1];
        return all.view(3, c.numAttentionHeads(), c.headWidth(), in)
                .transpose(0, 1)
                .reshape(shape);
    }
}
