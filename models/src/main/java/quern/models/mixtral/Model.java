package quern.models.mixtral;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.RecipeDefaults;
import quern.models.RopeParameters;
import quern.models.RotaryDecoder;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.MixtureOfExperts;
import quern.nn.Residual;
import quern.nn.RouterLoss;
import quern.nn.Segment;
import quern.nn.TransformerBlock;

/**
 * Mixtral (Jiang et al. 2024, arXiv:2401.04088): Mistral's block with a router and experts in place of the feed-forward part.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "mixtral";
    }

    @Override
    public String summary() {
        return "Mixtral: Mistral with experts in the feed-forward part";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Mixtral",
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "rope_theta", 1e6);
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.gatedWidth(settings);
        RecipeDefaults.evenHeads(settings);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("num_key_value_heads", 8);
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
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
                        experts(c, w, parts, layer)));
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new RotaryDecoder(c, w).head();
    }

    private static MixtureOfExperts experts(Config c, Weights w, RotaryDecoder parts, int layer) {
        String name = parts.name(layer) + ".mlp";
        int d = c.hiddenSize();
        int inner = c.intermediateSize();
        Initialization init = Initialization.normal(c.initializerRange());
        return new MixtureOfExperts(
                        parts.name(layer),
                        String.valueOf(layer),
                        parts.linear(name + ".gate", d, c.numLocalExperts(), false),
                        new MixtureOfExperts.Experts(
                                w.parameter(name + ".experts.gate_up_proj", init, c.numLocalExperts(), 2L * inner, d),
                                w.parameter(name + ".experts.down_proj", init, c.numLocalExperts(), d, inner),
                                parts.activation(),
                                true),
                        c.numExpertsPerTok())
                .withJitter(c.routerJitterNoise());
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        List<Segment> segments = new ArrayList<>(DecoderFamily.super.head(c, w, settings));
        if (c.outputRouterLogits() && settings.task() == Task.CAUSAL_LM) {
            segments.add(RouterLoss.ofAllTogether(
                    "router_loss",
                    IntStream.range(0, c.numHiddenLayers())
                            .mapToObj(String::valueOf)
                            .toList(),
                    c.numExpertsPerTok(),
                    c.routerAuxLossCoef()));
        }
        return segments;
    }
}
