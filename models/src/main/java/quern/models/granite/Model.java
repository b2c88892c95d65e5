package quern.models.granite;

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
 * Granite (IBM 2024, "Granite 3.0 Language Models"): Llama's block with a factor each on token vectors, scores, what joins the
 * residual stream, and logits.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "granite";
    }

    @Override
    public String summary() {
        return "Granite: Llama with factors on embeddings, scores, residuals and logits";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("Granite", Task.CAUSAL_LM, Task.MODEL);
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
    public CheckpointKeys keys() {
        return new RotaryDecoderKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        RotaryDecoder parts = new RotaryDecoder(c, w);
        return parts.body(
                parts.embedding().withFactor(c.embeddingMultiplier()),
                layer -> block(c, w, parts, layer),
                w.rmsNorm("model.norm", c.hiddenSize(), c.rmsNormEps()));
    }

    /** {@code x += m·attention(norm(x)); x += m·mlp(norm(x))}. */
    private static TransformerBlock block(Config c, Weights w, RotaryDecoder parts, int layer) {
        String name = parts.name(layer);
        int d = c.hiddenSize();
        double m = c.residualMultiplier();
        return parts.block(
                layer,
                Residual.preNorm(
                                w.rmsNorm(name + ".input_layernorm", d, c.rmsNormEps()),
                                parts.attention(layer, c.attentionBias(), c.attentionBias(), c.attentionMultiplier()))
                        .multipliedBy(m),
                Residual.preNorm(
                                w.rmsNorm(name + ".post_attention_layernorm", d, c.rmsNormEps()),
                                parts.feedForward(layer, c.mlpBias()))
                        .multipliedBy(m));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head().withFactor(1 / c.logitsScaling());
    }
}
