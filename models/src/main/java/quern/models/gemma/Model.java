package quern.models.gemma;

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
 * Gemma (Gemma team 2024, arXiv:2403.08295): Llama's block with a GELU gate, norms that multiply by {@code 1 + weight}, and
 * embeddings times the root of the width.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "gemma";
    }

    @Override
    public String summary() {
        return "Gemma: GeGLU, RMS norms that multiply by 1 + weight, scaled embeddings";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Gemma", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL);
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
        return Map.of("num_key_value_heads", 16, "head_dim", 256, "pad_token_id", 0);
    }

    @Override
    public CheckpointKeys keys() {
        return new RotaryDecoderKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        RotaryDecoder parts = new RotaryDecoder(c, w);
        return parts.body(
                parts.embedding().withFactor(parts.rounded(Math.sqrt(c.hiddenSize()))),
                layer -> block(c, w, parts, layer),
                w.offsetRmsNorm("model.norm", c.hiddenSize(), c.rmsNormEps()));
    }

    /** {@code x += attention(norm(x)); x += mlp(norm(x))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        String name = parts.name(layer);
        int d = c.hiddenSize();
        return parts.block(
                layer,
                Residual.preNorm(
                        w.offsetRmsNorm(name + ".input_layernorm", d, c.rmsNormEps()),
                        parts.attention(layer, c.attentionBias(), c.attentionBias())),
                Residual.preNorm(
                        w.offsetRmsNorm(name + ".post_attention_layernorm", d, c.rmsNormEps()),
                        parts.feedForward(layer, false)));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
