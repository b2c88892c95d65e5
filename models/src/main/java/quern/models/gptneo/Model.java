package quern.models.gptneo;

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
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Mask;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * GPT-Neo (Black et al. 2021, doi:10.5281/zenodo.5297715): GPT-2 with blocks that see all earlier tokens and blocks that
 * see a window, and scores that aren't scaled by the head width.
 */
public final class Model implements DecoderFamily<Config> {
    private static final String LOCAL = "local_mask";

    @Override
    public String id() {
        return "gpt_neo";
    }

    @Override
    public String summary() {
        return "GPT-Neo: learned positions, global and local attention";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "GPTNeo",
                Task.CAUSAL_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public Map<String, String> aliases() {
        return Map.of("num_attention_heads", "num_heads", "num_hidden_layers", "num_layers");
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        RecipeDefaults.spreadDropout(settings, "resid_dropout", "embed_dropout", "attention_dropout");
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        Object layers = settings.getOrDefault("num_layers", settings.get("num_hidden_layers"));
        if (layers instanceof Number n && !settings.containsKey("attention_layers")) {
            List<Object> types = new ArrayList<>();
            types.add(List.of(List.of("global", "local"), n.longValue() / 2));
            types.add(List.of(List.of("global"), n.longValue() % 2));
            settings.putIfAbsent("attention_types", types);
        }
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int d = c.hiddenSize();
        double std = c.initializerRange();
        Activation activation = Activation.of(c.activationFunction(), "activation_function");
        SelfAttention.Shape shape =
                new SelfAttention.Shape(c.numHeads(), c.numHeads(), d / c.numHeads(), 1, c.attentionDropout(), false);
        Parameter tokens = w.embedding("transformer.wte", c.vocabSize(), d, std, OptionalLong.empty());
        Parameter positions = w.embedding("transformer.wpe", c.maxPositionEmbeddings(), d, std, OptionalLong.empty());
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions("positions", w.dtype(), null).withMask(LOCAL, Mask.slidingWindow(c.windowSize())));
        segments.add(new TokenEmbedding("transformer.wte", tokens, positions, c.embedDropout()));
        for (int i = 0; i < c.numLayers(); i++) {
            String name = "transformer.h." + i;
            Residual attention = Residual.preNorm(
                    w.layerNorm(name + ".ln_1", d, c.layerNormEpsilon()), attention(name, i, c, shape, w));
            Residual feedForward = Residual.preNorm(
                    w.layerNorm(name + ".ln_2", d, c.layerNormEpsilon()),
                    new FeedForward(
                            name,
                            null,
                            w.linear(name + ".mlp.c_fc", d, c.innerWidth(), true, std),
                            w.linear(name + ".mlp.c_proj", c.innerWidth(), d, true, std),
                            activation));
            segments.add(new TransformerBlock(
                    name, attention.withDropout(c.residDropout()), feedForward.withDropout(c.residDropout())));
        }
        segments.add(new FinalNorm("transformer.ln_f", w.layerNorm("transformer.ln_f", d, c.layerNormEpsilon())));
        return segments;
    }

    private static SelfAttention attention(String name, int layer, Config c, SelfAttention.Shape shape, Weights w) {
        int d = c.hiddenSize();
        double std = c.initializerRange();
        SelfAttention attention = new SelfAttention(
                name,
                layer,
                shape,
                List.of(
                        w.linear(name + ".attn.attention.q_proj", d, d, false, std),
                        w.linear(name + ".attn.attention.k_proj", d, d, false, std),
                        w.linear(name + ".attn.attention.v_proj", d, d, false, std)),
                w.linear(name + ".attn.attention.out_proj", d, d, true, std));
        return c.isLocal(layer) ? attention.withSlidingWindow(LOCAL, c.windowSize()) : attention;
    }

    @Override
    public Segment languageModelHead(Config c, Weights w) {
        return new LanguageModelHead(
                "lm_head",
                c.tieWordEmbeddings()
                        ? w.tied("lm_head", w.shared("transformer.wte.weight"))
                        : w.linear("lm_head", c.hiddenSize(), c.vocabSize(), false, c.initializerRange()));
    }

    @Override
    public String tokenClassifier() {
        return "classifier";
    }
}
