package quern.models.falcon;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
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
import quern.nn.Mask;
import quern.nn.Norm;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * Falcon (Almazrouei et al. 2023, arXiv:2311.16867): one key and value head for all queries, or with the newer decoder one
 * for each group; attention and the feed-forward part side by side or one after the other; rotary positions or biases by
 * distance.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "falcon";
    }

    @Override
    public String summary() {
        return "Falcon: multi-query or grouped attention, parallel parts, rotary positions or ALiBi";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Falcon",
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        // The older name wins where both are there, as in transformers.
        Object width = settings.remove("n_embed");
        if (width != null) {
            settings.put("hidden_size", width);
        }
        RopeParameters.normalise(settings, where);
        RecipeDefaults.spreadDropout(settings, "hidden_dropout", "attention_dropout");
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.hiddenSize();
        double std = c.initializerRange();
        Parameter tokens = w.embedding("transformer.word_embeddings", c.vocabSize(), d, std, OptionalLong.empty());
        List<Segment> segments = new ArrayList<>();
        segments.add(positions(c, w));
        segments.add(new TokenEmbedding("transformer.word_embeddings", tokens, null, 0));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            String name = "transformer.h." + i;
            segments.add(new TransformerBlock(name, steps(name, i, c, w)));
        }
        segments.add(new FinalNorm("transformer.ln_f", norm("transformer.ln_f", c, w)));
        return segments;
    }

    private static Positions positions(Config c, Weights w) {
        if (!c.alibi()) {
            return new Positions(
                    "positions", w.dtype(), c.ropeParameters().frequencies(c.headWidth(), c.maxPositionEmbeddings()));
        }
        // The biases are added twice, to the scores and to the mask, and divided by the root of the head width both
        // times.
        Mask.Alibi biases = Mask.Alibi.of(c.numAttentionHeads()).roundedAndMultipliedBy(2 / Math.sqrt(c.headWidth()));
        return new Positions("positions", w.dtype(), null)
                .withMask("mask", Mask.causal().with(biases));
    }

    private static List<Residual> steps(String name, int layer, Config c, Weights w) {
        SelfAttention attention = attention(name, layer, c, w);
        FeedForward feedForward = feedForward(name, c, w);
        if (!c.parallelAttn()) {
            return List.of(
                    Residual.preNorm(norm(name + ".input_layernorm", c, w), attention)
                            .withDropout(c.attentionDropout()),
                    Residual.preNorm(norm(name + ".post_attention_layernorm", c, w), feedForward)
                            .withDropout(c.hiddenDropout()));
        }
        boolean twoNorms = c.newDecoderArchitecture() && c.numLnInParallelAttn().orElseThrow() == 2;
        Residual parts = twoNorms
                ? Residual.parallel(norm(name + ".ln_attn", c, w), attention, norm(name + ".ln_mlp", c, w), feedForward)
                : Residual.parallel(norm(name + ".input_layernorm", c, w), attention, feedForward);
        return List.of(parts.withDropout(c.hiddenDropout()));
    }

    private static SelfAttention attention(String name, int layer, Config c, Weights w) {
        int d = c.hiddenSize();
        int head = c.headWidth();
        int kv = c.keyValueHeads();
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(), kv, head, 1 / Math.sqrt(head), c.alibi() ? c.attentionDropout() : 0, !c.alibi());
        return new SelfAttention(
                        name,
                        layer,
                        shape,
                        List.of(w.linear(
                                name + ".self_attention.query_key_value",
                                d,
                                d + 2L * kv * head,
                                c.bias(),
                                c.initializerRange())),
                        w.linear(name + ".self_attention.dense", d, d, c.bias(), c.initializerRange()))
                .withGroupedInput();
    }

    private static FeedForward feedForward(String name, Config c, Weights w) {
        return new FeedForward(
                name,
                null,
                w.linear(name + ".mlp.dense_h_to_4h", c.hiddenSize(), c.innerWidth(), c.bias(), c.initializerRange()),
                w.linear(name + ".mlp.dense_4h_to_h", c.innerWidth(), c.hiddenSize(), c.bias(), c.initializerRange()),
                Activation.of(c.activation(), "activation"));
    }

    private static Norm norm(String name, Config c, Weights w) {
        return w.layerNorm(name, c.hiddenSize(), c.layerNormEpsilon());
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied("lm_head", w.shared("transformer.word_embeddings.weight"))
                        : w.linear("lm_head", c.hiddenSize(), c.vocabSize(), false, c.initializerRange()));
    }

    @Override
    public String tokenClassifier() {
        return "classifier";
    }
}
