package quern.models.olmo;

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
import quern.nn.Norm;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TransformerBlock;

/**
 * OLMo (Groeneveld et al. 2024, arXiv:2402.00838): Llama's block with layer norms that have no parameters; queries, keys and
 * values may be clipped.
 */
public final class Model implements DecoderFamily<Config> {
    private static final Norm NORM = new Norm.LayerNorm(null, null, 1e-5);

    @Override
    public String id() {
        return "olmo";
    }

    @Override
    public String summary() {
        return "OLMo: Llama with layer norms that have no parameters, and clipped queries, keys and values";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("Olmo", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.MODEL);
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
        return Map.of("pad_token_id", 1);
    }

    @Override
    public CheckpointKeys keys() {
        return new RotaryDecoderKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        RotaryDecoder parts = new RotaryDecoder(c, w);
        return parts.body(parts.embedding(), layer -> block(c, w, parts, layer), NORM);
    }

    /** {@code x += attention(norm(x)); x += mlp(norm(x))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        SelfAttention attention = parts.attention(layer, c.attentionBias(), c.attentionBias());
        return parts.block(
                layer,
                Residual.preNorm(NORM, c.clipQkv().map(attention::withClip).orElse(attention)),
                Residual.preNorm(NORM, parts.feedForward(layer, false)));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
