package quern.models.glm;

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
import quern.nn.FeedForward;
import quern.nn.Residual;
import quern.nn.Rotary;
import quern.nn.Segment;
import quern.nn.TransformerBlock;

/**
 * GLM-4 (GLM team 2024, arXiv:2406.12793): Llama with rotary positions on neighbouring pairs of a part of each head,
 * biases on queries, keys and values, and the gate and the rest of the feed-forward part in one matrix.
 */
public final class Model implements DecoderFamily<Config> {
    /** What {@code rope_parameters} mean that don't say how much of a head turns. */
    private static final double USUAL_SHARE = 0.5;

    @Override
    public String id() {
        return "glm";
    }

    @Override
    public String summary() {
        return "GLM: partial rotary positions, RMS norm, SwiGLU in one matrix, grouped queries";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Glm", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 151329L, "num_key_value_heads", 2L, "head_dim", 128L);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "partial_rotary_factor", USUAL_SHARE);
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.gatedWidth(settings);
        RecipeDefaults.evenHeads(settings);
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
        int d = c.hiddenSize();
        int inner = c.intermediateSize();
        return parts.block(
                layer,
                Residual.preNorm(
                        w.rmsNorm(name + ".input_layernorm", d, c.rmsNormEps()),
                        parts.attention(layer, c.attentionBias(), false).withRotary(Rotary.Pairing.NEIGHBOURS)),
                Residual.preNorm(
                        w.rmsNorm(name + ".post_attention_layernorm", d, c.rmsNormEps()),
                        FeedForward.fusedGate(
                                name,
                                parts.linear(name + ".mlp.gate_up_proj", d, 2L * inner, false),
                                parts.linear(name + ".mlp.down_proj", inner, d, false),
                                parts.activation())));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
