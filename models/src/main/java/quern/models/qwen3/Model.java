package quern.models.qwen3;

import java.util.List;
import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
import quern.models.RecipeDefaults;
import quern.models.RopeParameters;
import quern.models.RotaryDecoder;
import quern.models.RotaryDecoderKeys;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.TransformerBlock;

/**
 * Qwen 3 (Yang et al. 2025, arXiv:2505.09388): Llama's block with root-mean-square norms on each head of queries and keys;
 * later blocks may see a sliding window only.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "qwen3";
    }

    @Override
    public String summary() {
        return "Qwen 3: Llama with RMS norms on the heads of queries and keys, and windows in later blocks";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                        "Qwen3", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL)
                .with("Qwen3ForQuestionAnswering", Task.QUESTION_ANSWERING, "transformer.");
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where);
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.gatedWidth(settings);
        RecipeDefaults.evenHeads(settings);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("num_key_value_heads", 32, "sliding_window", 4096, "head_dim", 128);
    }

    @Override
    public CheckpointKeys keys() {
        return new RotaryDecoderKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        RotaryDecoder parts = new RotaryDecoder(c, w);
        return parts.body(
                parts.embedding(),
                layer -> block(c, w, parts, layer),
                w.rmsNorm("model.norm", c.hiddenSize(), c.rmsNormEps()));
    }

    /** {@code x += attention(norm(x)); x += mlp(norm(x))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        String name = parts.name(layer);
        return parts.block(
                layer,
                Residual.preNorm(
                        w.rmsNorm(name + ".input_layernorm", c.hiddenSize(), c.rmsNormEps()),
                        parts.attention(layer, c.attentionBias(), c.attentionBias())
                                .withHeadNorms(
                                        w.rmsNorm(name + ".self_attn.q_norm", c.headWidth(), c.rmsNormEps()),
                                        w.rmsNorm(name + ".self_attn.k_norm", c.headWidth(), c.rmsNormEps()))),
                Residual.preNorm(
                        w.rmsNorm(name + ".post_attention_layernorm", c.hiddenSize(), c.rmsNormEps()),
                        parts.feedForward(layer, false)));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
