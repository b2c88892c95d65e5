package quern.models.olmo2;

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
import quern.nn.SelfAttention;
import quern.nn.TransformerBlock;

/**
 * OLMo 2 (OLMo team 2024, arXiv:2501.00656): root-mean-square norms stand behind attention and feed-forward part, and on the
 * queries and keys of all heads together.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "olmo2";
    }

    @Override
    public String summary() {
        return "OLMo 2: RMS norms on what attention and feed-forward give, and on queries and keys";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("Olmo2", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.MODEL);
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
        return parts.body(
                parts.embedding(),
                layer -> block(c, w, parts, layer),
                w.rmsNorm("model.norm", c.hiddenSize(), c.rmsNormEps()));
    }

    /** {@code x += norm(attention(x)); x += norm(mlp(x))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        String name = parts.name(layer);
        int d = c.hiddenSize();
        double eps = c.rmsNormEps();
        SelfAttention attention = parts.attention(layer, c.attentionBias(), c.attentionBias())
                .withProjectionNorms(
                        w.rmsNorm(name + ".self_attn.q_norm", (long) c.numAttentionHeads() * c.headWidth(), eps),
                        w.rmsNorm(name + ".self_attn.k_norm", (long) c.keyValueHeads() * c.headWidth(), eps));
        return parts.block(
                layer,
                Residual.normedBranch(attention, w.rmsNorm(name + ".post_attention_layernorm", d, eps)),
                Residual.normedBranch(
                        parts.feedForward(layer, false), w.rmsNorm(name + ".post_feedforward_layernorm", d, eps)));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
