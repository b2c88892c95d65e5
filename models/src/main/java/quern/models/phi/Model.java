package quern.models.phi;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
import quern.models.Initialization;
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
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * Phi (Gunasekar et al. 2023, arXiv:2306.11644; Li et al. 2023, arXiv:2309.05463): attention and the feed-forward part side
 * by side behind one norm, rotary positions on a part of each head, layer norms on queries and keys where wanted.
 */
public final class Model implements DecoderFamily<Config> {
    /** What {@code rope_parameters} mean that don't say how much of a head turns. */
    private static final double USUAL_SHARE = 0.5;

    @Override
    public String id() {
        return "phi";
    }

    @Override
    public String summary() {
        return "Phi: parallel attention and feed-forward, partial rotary positions, biases throughout";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Phi", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where, "partial_rotary_factor", USUAL_SHARE);
        RecipeDefaults.spreadDropout(settings, "resid_pdrop", "embd_pdrop", "attention_dropout");
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.fourfoldWidth(settings, "intermediate_size");
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.hiddenSize();
        double std = c.initializerRange();
        RopeParameters rope = c.ropeParameters();
        Parameter tokens = w.embedding("model.embed_tokens", c.vocabSize(), d, std, c.paddingRow());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                "positions", w.dtype(), rope.frequencies(rope.rotaryWidth(c.headWidth()), c.maxPositionEmbeddings())));
        segments.add(new TokenEmbedding("model.embed_tokens", tokens, null, c.embdPdrop(), c.paddingRow()));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            String name = "model.layers." + i;
            Residual parts = Residual.parallel(
                    w.layerNorm(name + ".input_layernorm", d, c.layerNormEps()),
                    attention(name, i, c, w),
                    new FeedForward(
                            name,
                            null,
                            w.linear(name + ".mlp.fc1", d, c.intermediateSize(), true, std),
                            w.linear(name + ".mlp.fc2", c.intermediateSize(), d, true, std),
                            Activation.of(c.hiddenAct(), "hidden_act")));
            segments.add(new TransformerBlock(name, parts.withDropout(c.residPdrop())));
        }
        segments.add(new FinalNorm("model.final_layernorm", w.layerNorm("model.final_layernorm", d, c.layerNormEps())));
        return segments;
    }

    private static SelfAttention attention(String name, int layer, Config c, Weights w) {
        int d = c.hiddenSize();
        int head = c.headWidth();
        long queries = (long) c.numAttentionHeads() * head;
        long keys = (long) c.keyValueHeads() * head;
        double std = c.initializerRange();
        SelfAttention attention = new SelfAttention(
                name,
                layer,
                new SelfAttention.Shape(
                        c.numAttentionHeads(),
                        c.keyValueHeads(),
                        head,
                        1 / Math.sqrt(head),
                        c.attentionDropout(),
                        true),
                List.of(
                        w.linear(name + ".self_attn.q_proj", d, queries, true, std),
                        w.linear(name + ".self_attn.k_proj", d, keys, true, std),
                        w.linear(name + ".self_attn.v_proj", d, keys, true, std)),
                w.linear(name + ".self_attn.dense", queries, d, true, std));
        return c.qkLayernorm()
                ? attention.withHeadNorms(
                        w.layerNorm(name + ".self_attn.q_layernorm", head, c.layerNormEps()),
                        w.layerNorm(name + ".self_attn.k_layernorm", head, c.layerNormEps()))
                : attention;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied(
                                "lm_head",
                                w.shared("model.embed_tokens.weight"),
                                w.parameter("lm_head.bias", Initialization.ZEROS, c.vocabSize()))
                        : w.linear("lm_head", c.hiddenSize(), c.vocabSize(), true, c.initializerRange()));
    }
}
