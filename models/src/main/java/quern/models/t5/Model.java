package quern.models.t5;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.ModelFamily;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.CrossAttention;
import quern.nn.DecoderInputs;
import quern.nn.DecoderPositions;
import quern.nn.EncoderOutput;
import quern.nn.EncoderPositions;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Linear;
import quern.nn.Norm;
import quern.nn.RelativePositionBias;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.tensor.Parameter;

/**
 * T5 (Raffel et al. 2020, arXiv:1910.10683) and T5 1.1: pre-norm encoder and decoder with root-mean-square norms, no
 * biases, scores that are not scaled, and positions only as a learned bias by distance, one table a stack.
 */
public final class Model implements ModelFamily<Config> {
    private static final String SHARED = "shared.weight";

    @Override
    public String id() {
        return "t5";
    }

    @Override
    public String summary() {
        return "T5: encoder and decoder, relative position bias, RMS norm, ReLU or gated GELU";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("T5", Task.SEQ2SEQ_LM, Task.MODEL).with("T5WithLMHeadModel", Task.SEQ2SEQ_LM);
    }

    @Override
    public Map<String, String> aliases() {
        return Map.of(
                "hidden_size", "d_model",
                "num_attention_heads", "num_heads",
                "num_hidden_layers", "num_layers",
                "head_dim", "d_kv");
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        Object width = settings.getOrDefault("d_model", settings.get("hidden_size"));
        if (width instanceof Number d) {
            settings.putIfAbsent("d_ff", 4 * d.longValue());
            Object heads = settings.getOrDefault("num_heads", settings.get("num_attention_heads"));
            if (heads instanceof Number h && h.longValue() > 0 && !settings.containsKey("head_dim")) {
                settings.putIfAbsent("d_kv", Math.max(1, d.longValue() / h.longValue()));
            }
        }
    }

    /** {@inheritDoc} The decoder begins with the padding token, which transformers wants to find in the file. */
    @Override
    public void completeTokens(Map<String, Object> settings, Map<String, Object> ids) {
        settings.putIfAbsent("decoder_start_token_id", settings.getOrDefault("pad_token_id", 0L));
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        Parameter tokens =
                w.embedding("shared", c.vocabSize(), c.dModel(), c.initializerFactor(), OptionalLong.empty());
        w.tie("encoder.embed_tokens.weight", tokens);
        w.tie("decoder.embed_tokens.weight", tokens);
        List<Segment> segments = new ArrayList<>();
        segments.add(new TokenEmbedding("encoder.embed_tokens", tokens, null, c.dropoutRate()));
        segments.add(RelativePositionBias.encoder(
                "encoder.relative_attention_bias", biases("encoder", c, w), c.relativeAttentionMaxDistance()));
        segments.add(new EncoderPositions("encoder.positions", w.dtype()));
        for (int i = 0; i < c.numLayers(); i++) {
            String name = "encoder.block." + i;
            segments.add(new TransformerBlock(name, selfAttention(name, i, c, w), feedForward(name, 1, c, w)));
        }
        segments.add(
                new EncoderOutput("encoder.final_layer_norm", norm("encoder.final_layer_norm", c, w), c.dropoutRate()));

        segments.add(new DecoderInputs("decoder.inputs", c.decoderStart(), c.padding()));
        segments.add(new TokenEmbedding("decoder.embed_tokens", tokens, null, c.dropoutRate())
                .withIds(DecoderPositions.INPUT));
        segments.add(RelativePositionBias.decoder(
                "decoder.relative_attention_bias", biases("decoder", c, w), c.relativeAttentionMaxDistance()));
        segments.add(new DecoderPositions("decoder.positions", w.dtype()));
        for (int i = 0; i < c.decoderLayers(); i++) {
            String name = "decoder.block." + i;
            segments.add(new TransformerBlock(
                    name, selfAttention(name, i, c, w), crossAttention(name, i, c, w), feedForward(name, 2, c, w)));
        }
        segments.add(
                new FinalNorm("decoder.final_layer_norm", norm("decoder.final_layer_norm", c, w), c.dropoutRate()));
        return segments;
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        if (settings.task() == Task.MODEL) {
            return List.of();
        }
        Linear output = w.isTied("lm_head.weight", SHARED, c.tieWordEmbeddings())
                ? w.tied("lm_head", w.shared(SHARED))
                : w.linear("lm_head", c.dModel(), c.vocabSize(), false, c.initializerFactor());
        LanguageModelHead head = new LanguageModelHead("lm_head", output);
        return List.of(c.scaled() ? head.withFactor(1 / Math.sqrt(c.dModel())) : head);
    }

    /** The table of a stack lies in its first block. */
    private static Parameter biases(String stack, Config c, Weights w) {
        return w.parameter(
                stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                Initialization.normal(c.initializerFactor() / Math.sqrt(c.dModel())),
                c.relativeAttentionNumBuckets(),
                c.numHeads());
    }

    private static Residual selfAttention(String block, int layer, Config c, Weights w) {
        List<Linear> maps = maps(block + ".layer.0.SelfAttention", c, w);
        SelfAttention attention = new SelfAttention(block, layer, shape(c), maps.subList(0, 3), maps.get(3));
        return Residual.preNorm(norm(block + ".layer.0.layer_norm", c, w), attention)
                .withDropout(c.dropoutRate());
    }

    private static Residual crossAttention(String block, int layer, Config c, Weights w) {
        List<Linear> maps = maps(block + ".layer.1.EncDecAttention", c, w);
        CrossAttention attention =
                new CrossAttention(block, layer, shape(c), maps.get(0), maps.get(1), maps.get(2), maps.get(3));
        return Residual.preNorm(norm(block + ".layer.1.layer_norm", c, w), attention)
                .withDropout(c.dropoutRate());
    }

    private static Residual feedForward(String block, int part, Config c, Weights w) {
        String name = block + ".layer." + part;
        String dense = name + ".DenseReluDense";
        int d = c.dModel();
        int inner = c.dFf();
        double in = c.initializerFactor() / Math.sqrt(d);
        FeedForward feedForward = new FeedForward(
                        block,
                        c.gated() ? w.linear(dense + ".wi_0", d, inner, false, in) : null,
                        w.linear(dense + (c.gated() ? ".wi_1" : ".wi"), d, inner, false, in),
                        w.linear(dense + ".wo", inner, d, false, c.initializerFactor() / Math.sqrt(inner)),
                        Activation.of(c.activation(), "feed_forward_proj"))
                .withHiddenDropout(c.dropoutRate());
        return Residual.preNorm(norm(name + ".layer_norm", c, w), feedForward).withDropout(c.dropoutRate());
    }

    /** Scores are not scaled; new queries are drawn small instead. */
    private static SelfAttention.Shape shape(Config c) {
        return new SelfAttention.Shape(c.numHeads(), c.numHeads(), c.dKv(), 1, c.dropoutRate(), false);
    }

    /** The maps of queries, keys, values and the output. */
    private static List<Linear> maps(String name, Config c, Weights w) {
        int d = c.dModel();
        long heads = (long) c.numHeads() * c.dKv();
        double factor = c.initializerFactor();
        return List.of(
                w.linear(name + ".q", d, heads, false, factor / Math.sqrt((double) d * c.dKv())),
                w.linear(name + ".k", d, heads, false, factor / Math.sqrt(d)),
                w.linear(name + ".v", d, heads, false, factor / Math.sqrt(d)),
                w.linear(name + ".o", heads, d, false, factor / Math.sqrt(heads)));
    }

    private static Norm norm(String name, Config c, Weights w) {
        Initialization ones = new Initialization.Constant(c.initializerFactor());
        return new Norm.RmsNorm(w.parameter(name + ".weight", ones, c.dModel()), c.layerNormEpsilon());
    }
}
