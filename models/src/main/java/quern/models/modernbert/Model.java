package quern.models.modernbert;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.ModelFamily;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.LanguageModelHead;
import quern.nn.Linear;
import quern.nn.Mask;
import quern.nn.Norm;
import quern.nn.Pooler;
import quern.nn.PositionIds;
import quern.nn.Positions;
import quern.nn.PredictionTransform;
import quern.nn.QuestionAnsweringHead;
import quern.nn.Residual;
import quern.nn.Rotary;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.SequenceClassificationHead;
import quern.nn.SequencePooling;
import quern.nn.TokenClassificationHead;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.recipe.QuernException;
import quern.tensor.Parameter;

/**
 * ModernBERT (Warner et al. 2024, arXiv:2412.13663): pre-norm blocks that see both sides, most of them only their
 * neighbourhood, with rotary positions of two kinds, gated feed-forward parts and few biases.
 */
public final class Model implements ModelFamily<Config> {
    private static final double GLOBAL_THETA = 160_000;
    private static final double LOCAL_THETA = 10_000;
    private static final long GLOBAL_EVERY = 3;

    @Override
    public String id() {
        return "modernbert";
    }

    @Override
    public String summary() {
        return "ModernBERT: bidirectional, local and global attention in turn, rotary positions, gated";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of(
                "ModernBert",
                Task.MASKED_LM,
                Task.SEQUENCE_CLASSIFICATION,
                Task.TOKEN_CLASSIFICATION,
                Task.QUESTION_ANSWERING,
                Task.MODEL);
    }

    @Override
    public Map<String, Object> fileDefaults() {
        return Map.of("pad_token_id", 50_283);
    }

    @Override
    public void normalise(Map<String, Object> settings, String where) {
        Object every = settings.remove("global_attn_every_n_layers");
        if (settings.get("layer_types") == null && settings.get("num_hidden_layers") instanceof Number layers) {
            long step = every instanceof Number n ? n.longValue() : GLOBAL_EVERY;
            if (step < 1) {
                throw QuernException.badInput(
                        "%s: global_attn_every_n_layers: found %s, expected at least 1", where, every);
            }
            List<String> types = new ArrayList<>();
            for (long i = 0; i < layers.longValue(); i++) {
                types.add(i % step == 0 ? Config.FULL : Config.SLIDING);
            }
            settings.put("layer_types", types);
        }
        ropes(settings);
        if (Boolean.TRUE.equals(settings.get("sparse_prediction"))
                && settings.get("sparse_pred_ignore_index") instanceof Number n
                && n.intValue() != -100) {
            throw QuernException.badInput(
                    "%s: sparse_pred_ignore_index: found %s; only -100 marks labels that don't count", where, n);
        }
    }

    /** Older files have the bases of both kinds at the top level, and one scaling for both. */
    private static void ropes(Map<String, Object> settings) {
        Object scaling = settings.remove("rope_scaling");
        Object global = settings.remove("global_rope_theta");
        Object local = settings.remove("local_rope_theta");
        Map<String, Object> both = new LinkedHashMap<>();
        if (settings.get("rope_parameters") instanceof Map<?, ?> given) {
            given.forEach((key, value) -> both.put(String.valueOf(key), value));
        } else if (settings.get("rope_parameters") != null) {
            return;
        }
        both.put("full_attention", rope(both.get("full_attention"), scaling, global, GLOBAL_THETA));
        both.put("sliding_attention", rope(both.get("sliding_attention"), scaling, local, LOCAL_THETA));
        settings.put("rope_parameters", both);
    }

    private static Object rope(Object given, Object scaling, Object theta, double usual) {
        Map<String, Object> rope = new LinkedHashMap<>();
        for (Object part : new Object[] {given, scaling}) {
            if (part instanceof Map<?, ?> map) {
                map.forEach((key, value) -> rope.put(String.valueOf(key), value));
            } else if (part != null) {
                return part;
            }
        }
        rope.values().removeIf(v -> v == null);
        Object type = rope.remove("type");
        if (type != null) {
            rope.putIfAbsent("rope_type", type);
        }
        rope.putIfAbsent("rope_theta", theta == null ? usual : theta);
        return rope;
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        if (settings.get("hidden_size") instanceof Number width) {
            settings.putIfAbsent("intermediate_size", 3 * width.longValue() / 2);
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
        Initialization in = initialization(c, c.initializerRange());
        Initialization out = initialization(c, residualStd(c));
        SelfAttention.Shape shape = new SelfAttention.Shape(
                c.numAttentionHeads(),
                c.numAttentionHeads(),
                c.headWidth(),
                1 / Math.sqrt(c.headWidth()),
                c.attentionDropout(),
                true);
        Activation activation = Activation.of(c.hiddenActivation(), "hidden_activation");
        int context = c.maxPositionEmbeddings();
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions(
                        "positions",
                        w.dtype(),
                        c.ropeParameters().fullAttention().frequencies(c.headWidth(), context))
                .withMask("mask", Mask.bidirectional())
                .withMask("sliding_mask", Mask.bidirectional(c.localAttention() / 2))
                .withRotary(
                        "sliding_rotary", c.ropeParameters().slidingAttention().frequencies(c.headWidth(), context))
                .withPositionIds(PositionIds.columns()));
        Parameter tokens = w.parameter("model.embeddings.tok_embeddings.weight", in, c.vocabSize(), d);
        segments.add(new TokenEmbedding("model.embeddings", tokens, null, c.embeddingDropout(), c.paddingRow())
                .withNorm(norm("model.embeddings.norm", c, w)));
        for (int i = 0; i < c.numHiddenLayers(); i++) {
            String name = "model.layers." + i;
            SelfAttention attention = new SelfAttention(
                    name,
                    i,
                    shape,
                    List.of(w.linear(name + ".attn.Wqkv", d, 3L * d, c.attentionBias(), in)),
                    w.linear(name + ".attn.Wo", d, d, c.attentionBias(), out));
            if (c.layerTypes().get(i).equals(Config.SLIDING)) {
                attention = attention.withMask("sliding_mask").withRotary("sliding_rotary", Rotary.Pairing.HALVES);
            }
            FeedForward feedForward = FeedForward.fusedGate(
                            name,
                            w.linear(name + ".mlp.Wi", d, 2L * inner, c.mlpBias(), in),
                            w.linear(name + ".mlp.Wo", inner, d, c.mlpBias(), out),
                            activation)
                    .withHiddenDropout(c.mlpDropout());
            // The embedding has just been normed, so the first block doesn't norm it again.
            Residual first =
                    i == 0 ? Residual.bare(attention) : Residual.preNorm(norm(name + ".attn_norm", c, w), attention);
            segments.add(new TransformerBlock(
                    name,
                    first.withDropout(c.attentionDropout()),
                    Residual.preNorm(norm(name + ".mlp_norm", c, w), feedForward)));
        }
        segments.add(new FinalNorm("model.final_norm", norm("model.final_norm", c, w)));
        return segments;
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        int d = c.hiddenSize();
        Initialization last = initialization(c, 1 / Math.sqrt(d));
        return switch (settings.task()) {
            case MASKED_LM -> {
                Segment transform = transform(c, w);
                Linear output = c.tieWordEmbeddings()
                        ? w.tied(
                                "decoder",
                                w.shared("model.embeddings.tok_embeddings.weight"),
                                c.decoderBias()
                                        ? w.parameter("decoder.bias", Initialization.ZEROS, c.vocabSize())
                                        : null)
                        : w.linear("decoder", d, c.vocabSize(), c.decoderBias(), initialization(c, residualStd(c)));
                yield List.of(transform, new LanguageModelHead("decoder", output));
            }
            case SEQUENCE_CLASSIFICATION, REWARD ->
                List.of(
                        new Pooler(
                                "head",
                                c.classifierPooling().equals("cls")
                                        ? SequencePooling.firstToken()
                                        : SequencePooling.mean(),
                                0,
                                dense(c, w),
                                Activation.of(c.classifierActivation(), "classifier_activation"),
                                norm("head.norm", c, w)),
                        new SequenceClassificationHead(
                                "classifier",
                                w.linear("classifier", d, settings.labels(), true, last),
                                c.classifierDropout(),
                                settings.problemType()));
            case TOKEN_CLASSIFICATION ->
                List.of(
                        transform(c, w),
                        new TokenClassificationHead(
                                "classifier",
                                w.linear("classifier", d, settings.labels(), true, last),
                                c.classifierDropout()));
            case QUESTION_ANSWERING ->
                List.of(
                        transform(c, w),
                        new QuestionAnsweringHead(
                                "classifier", w.linear("classifier", d, 2, true, last), c.classifierDropout()));
            case MODEL -> List.of();
            case CAUSAL_LM, PRE_TRAINING, NEXT_SENTENCE, SEQ2SEQ_LM, CONTRASTIVE, IMAGE_TOKENS ->
                throw new IllegalArgumentException(id() + " declares a task that it has no head for");
        };
    }

    private static Segment transform(Config c, Weights w) {
        return new PredictionTransform(
                "head",
                dense(c, w),
                Activation.of(c.classifierActivation(), "classifier_activation"),
                norm("head.norm", c, w));
    }

    private static Linear dense(Config c, Weights w) {
        int d = c.hiddenSize();
        return w.linear("head.dense", d, d, c.classifierBias(), initialization(c, residualStd(c)));
    }

    private static Norm norm(String name, Config c, Weights w) {
        return c.normBias()
                ? w.layerNorm(name, c.hiddenSize(), c.normEps())
                : w.layerNormWithoutBias(name, c.hiddenSize(), c.normEps());
    }

    private static double residualStd(Config c) {
        return c.initializerRange() / Math.sqrt(2.0 * c.numHiddenLayers());
    }

    private static Initialization initialization(Config c, double std) {
        return new Initialization.TruncatedNormal(std, c.initializerCutoffFactor());
    }
}
