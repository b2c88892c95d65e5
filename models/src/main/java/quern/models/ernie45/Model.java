package quern.models.ernie45;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
import quern.models.RecipeDefaults;
import quern.models.RopeParameters;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.Rotary;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

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
        return Map.of("pad_token_id", 0L);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "rope_theta", USUAL_THETA);
        // A missing key is a number here, and null what follows from the other keys.
        Map<String, Object> even = new LinkedHashMap<>(settings);
        RecipeDefaults.evenHeads(even);
        for (String key : List.of("num_key_value_heads", "head_dim")) {
            if (settings.containsKey(key)) {
                settings.put(key, even.get(key));
            }
        }
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.gatedWidth(settings);
        RecipeDefaults.evenHeads(settings);
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.hiddenSize();
        int inner = c.intermediateSize();
        long queries = (long) c.numAttentionHeads() * c.headDim();
        long keys = (long) c.numKeyValueHeads() * c.headDim();
        double std = c.initializerRange();
        double dropout = c.dropout().orElse(0.0);
        Activation activation = Activation.of(c.hiddenAct(), "hidden_act");
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(), c.numKeyValueHeads(), c.headDim(), 1 / Math.sqrt(c.headDim()), 0, true);
        Parameter tokens = w.embedding("model.embed_tokens", c.vocabSize(), d, std, c.paddingRow());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                "positions", w.dtype(), c.ropeParameters().frequencies(c.headDim(), c.maxPositionEmbeddings())));
        segments.add(new TokenEmbedding("model.embed_tokens", tokens, null, dropout, c.paddingRow()));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            String name = "model.layers." + i;
            Residual attention = Residual.preNorm(
                    w.rmsNorm(name + ".input_layernorm", d, c.rmsNormEps()),
                    new SelfAttention(
                                    name,
                                    i,
                                    shape,
                                    List.of(
                                            w.linear(name + ".self_attn.q_proj", d, queries, c.useBias(), std),
                                            w.linear(name + ".self_attn.k_proj", d, keys, c.useBias(), std),
                                            w.linear(name + ".self_attn.v_proj", d, keys, c.useBias(), std)),
                                    w.linear(name + ".self_attn.o_proj", queries, d, c.useBias(), std))
                            .withRotary(Rotary.Pairing.NEIGHBOURS));
            Residual feedForward = Residual.preNorm(
                    w.rmsNorm(name + ".post_attention_layernorm", d, c.rmsNormEps()),
                    new FeedForward(
                            name,
                            w.linear(name + ".mlp.gate_proj", d, inner, c.useBias(), std),
                            w.linear(name + ".mlp.up_proj", d, inner, c.useBias(), std),
                            w.linear(name + ".mlp.down_proj", inner, d, c.useBias(), std),
                            activation));
            segments.add(new TransformerBlock(name, attention.withDropout(dropout), feedForward.withDropout(dropout)));
        }
        segments.add(new FinalNorm("model.norm", w.rmsNorm("model.norm", d, c.rmsNormEps())));
        return segments;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied("lm_head", w.shared("model.embed_tokens.weight"))
                        : w.linear("lm_head", c.hiddenSize(), c.vocabSize(), false, c.initializerRange()));
    }
}
