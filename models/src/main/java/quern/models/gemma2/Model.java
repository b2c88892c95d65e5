package quern.models.gemma2;

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
import quern.nn.LanguageModelHead;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TransformerBlock;

/**
 * Gemma 2 (Gemma team 2024, arXiv:2408.00118): Gemma with norms on both sides of each part, soft caps on scores and logits, and a
 * sliding window in every other block.
 */
public final class Model implements DecoderFamily<Config> {
    private static final double FINAL_CAP = 30;
    private static final double ATTENTION_CAP = 50;

    @Override
    public String id() {
        return "gemma2";
    }

    @Override
    public String summary() {
        return "Gemma 2: norms on both sides of each part, soft caps, windows in every other block";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Gemma2", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where);
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.gatedWidth(settings);
        RecipeDefaults.evenHeads(settings);
        if (settings.get("head_dim") instanceof Number width) {
            settings.putIfAbsent("query_pre_attn_scalar", width);
        }
        settings.putIfAbsent("final_logit_softcapping", FINAL_CAP);
        settings.putIfAbsent("attn_logit_softcapping", ATTENTION_CAP);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of(
                "num_key_value_heads",
                4,
                "head_dim",
                256,
                "pad_token_id",
                0,
                "final_logit_softcapping",
                FINAL_CAP,
                "attn_logit_softcapping",
                ATTENTION_CAP);
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

    /** {@code x += norm(attention(norm(x))); x += norm(mlp(norm(x)))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        String name = parts.name(layer);
        int d = c.hiddenSize();
        double eps = c.rmsNormEps();
        SelfAttention attention =
                parts.attention(layer, c.attentionBias(), c.attentionBias(), 1 / Math.sqrt(c.queryPreAttnScalar()));
        return parts.block(
                layer,
                Residual.sandwich(
                        w.offsetRmsNorm(name + ".input_layernorm", d, eps),
                        c.attnLogitSoftcapping().map(attention::withSoftCap).orElse(attention),
                        w.offsetRmsNorm(name + ".post_attention_layernorm", d, eps)),
                Residual.sandwich(
                        w.offsetRmsNorm(name + ".pre_feedforward_layernorm", d, eps),
                        parts.feedForward(layer, false),
                        w.offsetRmsNorm(name + ".post_feedforward_layernorm", d, eps)));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        LanguageModelHead head = new RotaryDecoder(c, w).head();
        return c.finalLogitSoftcapping().map(head::withSoftCap).orElse(head);
    }
}
