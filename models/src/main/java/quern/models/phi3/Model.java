package quern.models.phi3;

import java.util.LinkedHashMap;
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
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TransformerBlock;

/**
 * Phi-3 (Abdin et al. 2024, arXiv:2404.14219): Llama's block with one matrix for queries, keys and values and one for gate and
 * up; long contexts by LongRoPE.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "phi3";
    }

    @Override
    public String summary() {
        return "Phi-3: Llama with fused matrices, partial rotary positions and LongRoPE";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Phi3", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RecipeDefaults.spreadDropout(settings, "resid_pdrop", "embd_pdrop", "attention_dropout");
        RopeParameters.normalise(settings, where);
        if (settings.get("rope_parameters") instanceof Map<?, ?> found
                && List.of("su", "yarn").contains(String.valueOf(found.get("rope_type")))) {
            // Names of LongRoPE in the first releases.
            Map<String, Object> rope = new LinkedHashMap<>();
            found.forEach((key, value) -> rope.put(String.valueOf(key), value));
            rope.put("rope_type", "longrope");
            settings.put("rope_parameters", rope);
        }
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.gatedWidth(settings);
        RecipeDefaults.evenHeads(settings);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 32000);
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

    /** {@code x += dropout(attention(norm(x))); x += dropout(mlp(norm(x)))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        String name = parts.name(layer);
        int d = c.hiddenSize();
        long queries = (long) c.numAttentionHeads() * c.headWidth();
        long keys = (long) c.keyValueHeads() * c.headWidth();
        SelfAttention attention = parts.attention(
                layer,
                List.of(parts.linear(name + ".self_attn.qkv_proj", d, queries + 2 * keys, false)),
                parts.linear(name + ".self_attn.o_proj", queries, d, false),
                1 / Math.sqrt(c.headWidth()));
        FeedForward feedForward = FeedForward.fusedGate(
                name,
                parts.linear(name + ".mlp.gate_up_proj", d, 2L * c.intermediateSize(), false),
                parts.linear(name + ".mlp.down_proj", c.intermediateSize(), d, false),
                parts.activation());
        return parts.block(
                layer,
                Residual.preNorm(w.rmsNorm(name + ".input_layernorm", d, c.rmsNormEps()), attention),
                Residual.preNorm(w.rmsNorm(name + ".post_attention_layernorm", d, c.rmsNormEps()), feedForward));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }
}
