package quern.models.cohere;

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
import quern.nn.SelfAttention;
import quern.nn.TransformerBlock;

/**
 * Cohere's Command R (2024, huggingface.co/CohereForAI/c4ai-command-r-v01): attention and a gated feed-forward part side
 * by side behind one layer norm without bias, rotary positions on neighbouring pairs, scaled logits.
 */
public final class Model implements DecoderFamily<Config> {
    /** The base of {@code rope_parameters} that don't give one. */
    private static final double USUAL_THETA = 500_000;

    @Override
    public String id() {
        return "cohere";
    }

    @Override
    public String summary() {
        return "Cohere: parallel attention and gated feed-forward, scaled logits, norms on queries and keys";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("Cohere", Task.CAUSAL_LM, Task.MODEL);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 0L);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "rope_theta", USUAL_THETA);
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.gatedWidth(settings);
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
                w.layerNormWithoutBias("model.norm", c.hiddenSize(), c.layerNormEps()));
    }

    /** {@code x += attention(norm(x)) + mlp(norm(x))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        return parts.block(
                layer,
                Residual.parallel(
                        w.layerNormWithoutBias(
                                parts.name(layer) + ".input_layernorm", c.hiddenSize(), c.layerNormEps()),
                        attention(c, w, parts, layer),
                        parts.feedForward(layer, false)));
    }

    private static SelfAttention attention(Config c, Weights w, RotaryDecoder parts, int layer) {
        SelfAttention attention =
                parts.attention(layer, c.attentionBias(), c.attentionBias()).withRotary(Rotary.Pairing.NEIGHBOURS);
        String name = parts.name(layer) + ".self_attn";
        return c.useQkNorm()
                ? attention.withHeadNorms(
                        w.headLayerNorm(name + ".q_norm", c.numAttentionHeads(), c.headWidth(), c.layerNormEps()),
                        w.headLayerNorm(name + ".k_norm", c.keyValueHeads(), c.headWidth(), c.layerNormEps()))
                : attention;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head().withFactor(c.logitScale());
    }
}
