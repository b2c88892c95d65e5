package quern.models.opt;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
import quern.models.RecipeDefaults;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.Branch;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Norm;
import quern.nn.PositionIds;
import quern.nn.Positions;
import quern.nn.Projection;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * OPT (Zhang et al. 2022, arXiv:2205.01068): GPT-3 with ReLU and learned positions that count from 2. The model of 350
 * million parameters has norms after each part, and token vectors narrower than its blocks.
 */
public final class Model implements DecoderFamily<Config> {
    private static final double EPS = 1e-5;

    @Override
    public String id() {
        return "opt";
    }

    @Override
    public String summary() {
        return "OPT: learned positions, ReLU, norms before or after, projected embeddings";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "OPT", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.QUESTION_ANSWERING, Task.MODEL);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 1L);
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        RecipeDefaults.fourfoldWidth(settings, "ffn_dim");
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.hiddenSize();
        int narrow = c.embeddingWidth();
        double std = c.initStd();
        Parameter tokens = w.embedding("model.decoder.embed_tokens", c.vocabSize(), narrow, std, c.paddingRow());
        Parameter positions = w.embedding(
                "model.decoder.embed_positions",
                (long) c.maxPositionEmbeddings() + Config.POSITION_OFFSET,
                d,
                std,
                OptionalLong.empty());
        TokenEmbedding embedding = new TokenEmbedding(
                        "model.decoder.embed_tokens", tokens, positions, 0, c.paddingRow())
                .withPositionOffset(Config.POSITION_OFFSET);
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions("positions", w.dtype(), null).withPositionIds(PositionIds.realTokens()));
        segments.add(
                narrow == d
                        ? embedding
                        : embedding.withProjection(w.linear("model.decoder.project_in", narrow, d, false, std)));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            segments.add(block("model.decoder.layers." + i, i, c, w));
        }
        if (c.doLayerNormBefore() && !c._removeFinalLayerNorm()) {
            String last = "model.decoder.final_layer_norm";
            segments.add(new FinalNorm(last, norm(last, c, w)));
        }
        if (narrow != d) {
            String out = "model.decoder.project_out";
            segments.add(new Projection(out, w.linear(out, d, narrow, false, std)));
        }
        return segments;
    }

    private static Segment block(String name, int layer, Config c, Weights w) {
        int d = c.hiddenSize();
        boolean bias = c.enableBias();
        double std = c.initStd();
        int head = d / c.numAttentionHeads();
        SelfAttention attention = new SelfAttention(
                name,
                layer,
                new SelfAttention.Shape(
                        c.numAttentionHeads(),
                        c.numAttentionHeads(),
                        head,
                        1 / Math.sqrt(head),
                        c.attentionDropout(),
                        false),
                List.of(
                        w.linear(name + ".self_attn.q_proj", d, d, bias, std),
                        w.linear(name + ".self_attn.k_proj", d, d, bias, std),
                        w.linear(name + ".self_attn.v_proj", d, d, bias, std)),
                w.linear(name + ".self_attn.out_proj", d, d, bias, std));
        FeedForward feedForward = new FeedForward(
                name,
                null,
                w.linear(name + ".fc1", d, c.ffnDim(), bias, std),
                w.linear(name + ".fc2", c.ffnDim(), d, bias, std),
                Activation.of(c.activationFunction(), "activation_function"));
        return new TransformerBlock(
                        name,
                        step(norm(name + ".self_attn_layer_norm", c, w), attention, c),
                        step(norm(name + ".final_layer_norm", c, w), feedForward, c))
                .withLayerDrop(c.layerdrop());
    }

    private static Residual step(Norm norm, Branch branch, Config c) {
        Residual step = c.doLayerNormBefore() ? Residual.preNorm(norm, branch) : Residual.postNorm(branch, norm);
        return step.withDropout(c.dropout());
    }

    private static Norm norm(String name, Config c, Weights w) {
        return c.layerNormElementwiseAffine()
                ? w.layerNorm(name, c.hiddenSize(), EPS)
                : new Norm.LayerNorm(null, null, EPS);
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied("lm_head", w.shared("model.decoder.embed_tokens.weight"))
                        : w.linear("lm_head", c.embeddingWidth(), c.vocabSize(), false, c.initStd()));
    }
}
