package quern.models.cohere;

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
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.hiddenSize();
        int inner = c.intermediateSize();
        double std = c.initializerRange();
        double dropout = c.dropout().orElse(0.0);
        Activation activation = Activation.of(c.hiddenAct(), "hidden_act");
        Parameter tokens = w.embedding("model.embed_tokens", c.vocabSize(), d, std, c.paddingRow());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                "positions", w.dtype(), c.ropeParameters().frequencies(c.headWidth(), c.maxPositionEmbeddings())));
        segments.add(new TokenEmbedding("model.embed_tokens", tokens, null, dropout, c.paddingRow()));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            String name = "model.layers." + i;
            Residual parts = Residual.parallel(
                    w.layerNormWithoutBias(name + ".input_layernorm", d, c.layerNormEps()),
                    attention(name, i, c, w),
                    new FeedForward(
                            name,
                            w.linear(name + ".mlp.gate_proj", d, inner, false, std),
                            w.linear(name + ".mlp.up_proj", d, inner, false, std),
                            w.linear(name + ".mlp.down_proj", inner, d, false, std),
                            activation));
            segments.add(new TransformerBlock(name, parts.withDropout(dropout)));
        }
        segments.add(new FinalNorm("model.norm", w.layerNormWithoutBias("model.norm", d, c.layerNormEps())));
        return segments;
    }

    private static SelfAttention attention(String name, int layer, Config c, Weights w) {
        int d = c.hiddenSize();
        int head = c.headWidth();
        long queries = (long) c.numAttentionHeads() * head;
        long keys = (long) c.keyValueHeads() * head;
        boolean bias = c.attentionBias();
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
                                w.linear(name + ".self_attn.q_proj", d, queries, bias, std),
                                w.linear(name + ".self_attn.k_proj", d, keys, bias, std),
                                w.linear(name + ".self_attn.v_proj", d, keys, bias, std)),
                        w.linear(name + ".self_attn.o_proj", queries, d, bias, std))
                .withRotary(Rotary.Pairing.NEIGHBOURS);
        return c.useQkNorm()
                ? attention.withHeadNorms(
                        w.headLayerNorm(name + ".self_attn.q_norm", c.numAttentionHeads(), head, c.layerNormEps()),
                        w.headLayerNorm(name + ".self_attn.k_norm", c.keyValueHeads(), head, c.layerNormEps()))
                : attention;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                        "lm_head",
                        c.tieWordEmbeddings()
                                ? w.tied("lm_head", w.shared("model.embed_tokens.weight"))
                                : w.linear("lm_head", c.hiddenSize(), c.vocabSize(), false, c.initializerRange()))
                .withFactor(c.logitScale());
    }
}
