package quern.models.gpt2;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.DecoderFamily;
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
 * GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"): pre-norm blocks, learned
 * positions, biases throughout, one matrix for queries, keys and values.
 */
public final class Model implements DecoderFamily<Config> {
    @Override
    public String id() {
        return "gpt2";
    }

    @Override
    public String summary() {
        return "GPT-2: learned positions, layer norm, GELU";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("GPT2")
                .with("GPT2LMHeadModel", Task.CAUSAL_LM)
                .and(
                        "GPT2",
                        Task.SEQUENCE_CLASSIFICATION,
                        Task.TOKEN_CLASSIFICATION,
                        Task.QUESTION_ANSWERING,
                        Task.MODEL);
    }

    @Override
    public Map<String, String> aliases() {
        return Map.of(
                "hidden_size", "n_embd",
                "max_position_embeddings", "n_positions",
                "num_attention_heads", "n_head",
                "num_hidden_layers", "n_layer");
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        // A rate out of range stays under the key it was given by, so that the message names that.
        if (settings.get("dropout") instanceof Number dropout
                && dropout.doubleValue() >= 0
                && dropout.doubleValue() < 1) {
            settings.remove("dropout");
            for (String key : List.of("resid_pdrop", "embd_pdrop", "attn_pdrop")) {
                settings.putIfAbsent(key, dropout);
            }
        }
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.nEmbd();
        double std = c.initializerRange();
        double residualStd = std / Math.sqrt(2.0 * c.nLayer());
        Activation activation = Activation.of(c.activationFunction(), "activation_function");
        Parameter tokens = w.embedding("transformer.wte", c.vocabSize(), d, std, OptionalLong.empty());
        Parameter positions = w.embedding("transformer.wpe", c.nPositions(), d, std, OptionalLong.empty());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions("positions", w.dtype(), null));
        segments.add(new TokenEmbedding("transformer.wte", tokens, positions, c.embdPdrop()));
        for (int i = 0; i < c.nLayer(); i++) {
            String name = "transformer.h." + i;
            SelfAttention.Shape shape = new SelfAttention.Shape(
                    c.nHead(), c.nHead(), d / c.nHead(), c.attentionScale(i), c.attnPdrop(), false);
            Residual attention = Residual.preNorm(
                    w.layerNorm(name + ".ln_1", d, c.layerNormEpsilon()),
                    new SelfAttention(
                            name,
                            i,
                            shape,
                            List.of(w.linear(name + ".attn.c_attn", d, 3L * d, true, std)),
                            w.linear(name + ".attn.c_proj", d, d, true, residualStd)));
            Residual feedForward = Residual.preNorm(
                    w.layerNorm(name + ".ln_2", d, c.layerNormEpsilon()),
                    new FeedForward(
                            name,
                            null,
                            w.linear(name + ".mlp.c_fc", d, c.innerWidth(), true, std),
                            w.linear(name + ".mlp.c_proj", c.innerWidth(), d, true, residualStd),
                            activation));
            segments.add(new TransformerBlock(
                    name, attention.withDropout(c.residPdrop()), feedForward.withDropout(c.residPdrop())));
        }
        segments.add(new FinalNorm("transformer.ln_f", w.layerNorm("transformer.ln_f", d, c.layerNormEpsilon())));
        return segments;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied("lm_head", w.shared("transformer.wte.weight"))
                        : w.linear("lm_head", c.nEmbd(), c.vocabSize(), false, c.initializerRange()));
    }

    @Override
    public String tokenClassifier() {
        return "classifier";
    }
}
