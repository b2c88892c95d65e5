package quern.models.mistral;

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
 * Mistral (Jiang et al. 2023, arXiv:2310.06825): Llama's block, in which each query sees a sliding window of the newest
 * tokens.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "mistral";
    }

    @Override
    public String summary() {
        return "Mistral: Llama with a sliding window over the newest tokens";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Mistral",
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
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
        return Map.of("num_key_value_heads", 8, "sliding_window", 4096);
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
                        parts.attention(layer, false, false)),
                Residual.preNorm(
                        w.rmsNorm(name + ".post_attention_layernorm", c.hiddenSize(), c.rmsNormEps()),
                        parts.feedForward(layer, false)));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
