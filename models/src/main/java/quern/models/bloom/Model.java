package quern.models.bloom;

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
 * BLOOM (BigScience 2022, arXiv:2211.05100): biases by distance in place of positions, a norm on the embedding, queries,
 * keys and values of a head side by side in one matrix.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "bloom";
    }

    @Override
    public String summary() {
        return "BLOOM: ALiBi, norm on the embedding";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "Bloom",
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public Map<String, String> aliases() {
        return Map.of(
                "num_hidden_layers",
                "n_layer",
                "num_attention_heads",
                "n_head",
                "max_position_embeddings",
                "seq_length");
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        // The older name wins where both are there, as in transformers.
        Object width = settings.remove("n_embed");
        if (width != null) {
            settings.put("hidden_size", width);
        }
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
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.nHead(), c.nHead(), c.headWidth(), 1 / Math.sqrt(c.headWidth()), c.attentionDropout(), false);
        Parameter tokens = w.embedding("transformer.word_embeddings", c.vocabSize(), d, std, OptionalLong.empty());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions("positions", w.dtype(), null)
                .withMask("mask", Mask.causal().with(Mask.Alibi.of(c.nHead()))));
        segments.add(new TokenEmbedding("transformer.word_embeddings", tokens, null, 0)
                .withNorm(w.layerNorm("transformer.word_embeddings_layernorm", d, c.layerNormEpsilon())));
        for (int i = 0; i < c.nLayer(); i++) {
            String name = "transformer.h." + i;
            Residual attention = step(
                    w.layerNorm(name + ".input_layernorm", d, c.layerNormEpsilon()),
                    new SelfAttention(
                                    name,
                                    i,
                                    shape,
                                    List.of(w.linear(name + ".self_attention.query_key_value", d, 3L * d, true, std)),
                                    w.linear(name + ".self_attention.dense", d, d, true, std))
                            .withGroupedInput(),
                    c);
            Residual feedForward = step(
                    w.layerNorm(name + ".post_attention_layernorm", d, c.layerNormEpsilon()),
                    new FeedForward(
                            name,
                            null,
                            w.linear(name + ".mlp.dense_h_to_4h", d, 4L * d, true, std),
                            w.linear(name + ".mlp.dense_4h_to_h", 4L * d, d, true, std),
                            Activation.GELU_TANH),
                    c);
            segments.add(new TransformerBlock(name, attention, feedForward));
        }
        segments.add(new FinalNorm("transformer.ln_f", w.layerNorm("transformer.ln_f", d, c.layerNormEpsilon())));
        return segments;
    }

    private static Residual step(Norm norm, Branch branch, Config c) {
        Residual step = c.applyResidualConnectionPostLayernorm()
                ? Residual.fromNorm(norm, branch)
                : Residual.preNorm(norm, branch);
        return step.withDropout(c.hiddenDropout());
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
