package quern.models.llama;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import quern.models.CheckpointKeys;
import quern.models.ModelFamily;
import quern.models.RopeParameters;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Network;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * Llama (Touvron et al. 2023, arXiv:2302.13971 and arXiv:2307.09288; Dubey et al. 2024, arXiv:2407.21783): pre-norm blocks
 * with root-mean-square norms, rotary positions, grouped queries and a gated feed-forward part.
 */
public final class Model implements ModelFamily<Config> {
    private static final long MULTIPLE = 64;

    @Override
    public String id() {
        return "llama";
    }

    @Override
    public String summary() {
        return "Llama: rotary positions, RMS norm, SwiGLU, grouped queries";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public List<String> architectures() {
        return List.of("LlamaForCausalLM", "LlamaModel");
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RopeParameters.normalise(settings, where);
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        if (settings.get("hidden_size") instanceof Number width) {
            long inner = Math.ceilDiv(8 * width.longValue(), 3);
            settings.putIfAbsent("intermediate_size", Math.ceilDiv(inner, MULTIPLE) * MULTIPLE);
        }
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public Network build(Config c, Weights w) {
        int d = c.hiddenSize();
        int inner = c.intermediateSize();
        long queries = (long) c.numAttentionHeads() * c.headWidth();
        long keys = (long) c.keyValueHeads() * c.headWidth();
        double std = c.initializerRange();
        double dropout = c.dropout().orElse(0.0);
        Activation activation = Activation.of(c.hiddenAct(), "hidden_act");
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(),
                c.keyValueHeads(),
                c.headWidth(),
                1 / Math.sqrt(c.headWidth()),
                c.attentionDropout(),
                true);
        Parameter tokens = w.embedding("model.embed_tokens", c.vocabSize(), d, std, c.paddingRow());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                "positions", w.dtype(), c.ropeParameters().frequencies(c.headWidth(), c.maxPositionEmbeddings())));
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
                            w.linear(name + ".self_attn.o_proj", queries, d, c.attentionBias(), std)));
            Residual feedForward = Residual.preNorm(
                    w.rmsNorm(name + ".post_attention_layernorm", d, c.rmsNormEps()),
                    new FeedForward(
                            name,
                            w.linear(name + ".mlp.gate_proj", d, inner, c.mlpBias(), std),
                            w.linear(name + ".mlp.up_proj", d, inner, c.mlpBias(), std),
                            w.linear(name + ".mlp.down_proj", inner, d, c.mlpBias(), std),
                            activation));
            segments.add(new TransformerBlock(name, attention.withDropout(dropout), feedForward.withDropout(dropout)));
        }
        segments.add(new FinalNorm("model.norm", w.rmsNorm("model.norm", d, c.rmsNormEps())));
        segments.add(new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings() ? w.tied("lm_head", tokens) : w.linear("lm_head", d, c.vocabSize(), false, std)));
        return new Network(segments);
    }
}
