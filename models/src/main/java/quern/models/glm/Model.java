package quern.models.glm;

import java.util.ArrayList;
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
 * GLM-4 (GLM team 2024, arXiv:2406.12793): Llama with rotary positions on neighbouring pairs of a part of each head,
 * biases on queries, keys and values, and the gate and the rest of the feed-forward part in one matrix.
 */
public final class Model implements DecoderFamily<Config> {
    /** What {@code rope_parameters} mean that don't say how much of a head turns. */
    private static final double USUAL_SHARE = 0.5;

    @Override
    public String id() {
        return "glm";
    }

    @Override
    public String summary() {
        return "GLM: partial rotary positions, RMS norm, SwiGLU in one matrix, grouped queries";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Glm", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 151329L);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "partial_rotary_factor", USUAL_SHARE);
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
        RopeParameters rope = c.ropeParameters();
        Activation activation = Activation.of(c.hiddenAct(), "hidden_act");
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(),
                c.numKeyValueHeads(),
                c.headDim(),
                1 / Math.sqrt(c.headDim()),
                c.attentionDropout(),
                true);
        Parameter tokens = w.embedding("model.embed_tokens", c.vocabSize(), d, std, c.paddingRow());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                "positions", w.dtype(), rope.frequencies(rope.rotaryWidth(c.headDim()), c.maxPositionEmbeddings())));
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
                                            w.linear(name + ".self_attn.q_proj", d, queries, c.attentionBias(), std),
                                            w.linear(name + ".self_attn.k_proj", d, keys, c.attentionBias(), std),
                                            w.linear(name + ".self_attn.v_proj", d, keys, c.attentionBias(), std)),
                                    w.linear(name + ".self_attn.o_proj", queries, d, false, std))
                            .withRotary(Rotary.Pairing.NEIGHBOURS));
            Residual feedForward = Residual.preNorm(
                    w.rmsNorm(name + ".post_attention_layernorm", d, c.rmsNormEps()),
                    FeedForward.fusedGate(
                            name,
                            w.linear(name + ".mlp.gate_up_proj", d, 2L * inner, false, std),
                            w.linear(name + ".mlp.down_proj", inner, d, false, std),
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
