package quern.models.gptj;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
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
import quern.nn.Rotary;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * GPT-J (Wang and Komatsuzaki 2021, github.com/kingoflolz/mesh-transformer-jax): attention and the feed-forward part side
 * by side behind one norm, and rotary positions on neighbouring pairs of a part of each head.
 */
public final class Model implements DecoderFamily<Config> {
    private static final long USUAL_ROTARY_WIDTH = 64;

    @Override
    public String id() {
        return "gptj";
    }

    @Override
    public String summary() {
        return "GPT-J: parallel attention and feed-forward, partial rotary positions";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "GPTJ", Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION, Task.QUESTION_ANSWERING, Task.MODEL);
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
        RecipeDefaults.spreadDropout(settings, "resid_pdrop", "embd_pdrop", "attn_pdrop");
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        Object width = settings.getOrDefault("n_embd", settings.get("hidden_size"));
        Object heads = settings.getOrDefault("n_head", settings.get("num_attention_heads"));
        if (width instanceof Number d && heads instanceof Number h && h.longValue() > 0) {
            long whole = d.longValue() / h.longValue() / 2 * 2;
            settings.putIfAbsent("rotary_dim", Math.min(USUAL_ROTARY_WIDTH, whole));
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
        Activation activation = Activation.of(c.activationFunction(), "activation_function");
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.nHead(), c.nHead(), c.headWidth(), 1 / Math.sqrt(c.headWidth()), c.attnPdrop(), true);
        Parameter tokens = w.embedding("transformer.wte", c.vocabSize(), d, std, OptionalLong.empty());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                "positions", w.dtype(), RopeParameters.ORIGINAL.frequencies(c.rotaryDim(), c.nPositions())));
        segments.add(new TokenEmbedding("transformer.wte", tokens, null, c.embdPdrop()));
        for (int i = 0; i < c.nLayer(); i++) {
            String name = "transformer.h." + i;
            Residual parts = Residual.parallel(
                    w.layerNorm(name + ".ln_1", d, c.layerNormEpsilon()),
                    new SelfAttention(
                                    name,
                                    i,
                                    shape,
                                    List.of(
                                            w.linear(name + ".attn.q_proj", d, d, false, std),
                                            w.linear(name + ".attn.k_proj", d, d, false, std),
                                            w.linear(name + ".attn.v_proj", d, d, false, std)),
                                    w.linear(name + ".attn.out_proj", d, d, false, std))
                            .withRotary(Rotary.Pairing.NEIGHBOURS),
                    new FeedForward(
                            name,
                            null,
                            w.linear(name + ".mlp.fc_in", d, c.innerWidth(), true, std),
                            w.linear(name + ".mlp.fc_out", c.innerWidth(), d, true, std),
                            activation));
            segments.add(new TransformerBlock(name, parts.withDropout(c.residPdrop())));
        }
        segments.add(new FinalNorm("transformer.ln_f", w.layerNorm("transformer.ln_f", d, c.layerNormEpsilon())));
        return segments;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied(
                                "lm_head",
                                w.shared("transformer.wte.weight"),
                                w.parameter("lm_head.bias", Initialization.ZEROS, c.vocabSize()))
                        : w.linear("lm_head", c.nEmbd(), c.vocabSize(), true, c.initializerRange()));
    }
}
