package quern.models.ernie45;

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
import quern.nn.Rotary;
import quern.nn.Segment;
import quern.nn.TransformerBlock;

/**
 * ERNIE 4.5 (Baidu 2025, yiyan.baidu.com/blog/publication/ERNIE_Technical_Report.pdf), the dense models: Llama with rotary
 * positions on neighbouring pairs.
 */
public final class Model implements DecoderFamily<Config> {
    /** The base of {@code rope_parameters} that don't give one. */
    private static final double USUAL_THETA = 500_000;

    @Override
    public String id() {
        return "ernie4_5";
    }

    @Override
    public String summary() {
        return "ERNIE 4.5: rotary positions, RMS norm, SwiGLU, grouped queries";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("Ernie4_5", Task.CAUSAL_LM, Task.MODEL);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 0L, "num_key_value_heads", 2L, "head_dim", 128L);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "rope_theta", USUAL_THETA);
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
        return parts.block(
                layer,
                Residual.preNorm(
                        w.rmsNorm(name + ".input_layernorm", c.hiddenSize(), c.rmsNormEps()),
                        parts.attention(layer, c.useBias(), c.useBias()).withRotary(Rotary.Pairing.NEIGHBOURS)),
                Residual.preNorm(
                        w.rmsNorm(name + ".post_attention_layernorm", c.hiddenSize(), c.rmsNormEps()),
                        parts.feedForward(layer, c.useBias())));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
