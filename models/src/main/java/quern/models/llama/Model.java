package quern.models.llama;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
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
 * Llama (Touvron et al. 2023, arXiv:2302.13971 and arXiv:2307.09288; Dubey et al. 2024, arXiv:2407.21783): pre-norm blocks
 * with root-mean-square norms, rotary positions, grouped queries and a gated feed-forward part.
 */
public final class Model implements DecoderFamily<Config> {
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
    public Architectures architectures() {
        return Architectures.of(
                        "Llama", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.TOKEN_CLASSIFICATION, Task.MODEL)
                .with("LlamaForQuestionAnswering", Task.QUESTION_ANSWERING, "transformer.");
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
    public List<Segment> body(Config c, Weights w, Task task) {
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
