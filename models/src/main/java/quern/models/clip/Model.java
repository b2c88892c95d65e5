package quern.models.clip;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.ModelFamily;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.ContrastiveHead;
import quern.nn.FeedForward;
import quern.nn.FinalNorm;
import quern.nn.Linear;
import quern.nn.PatchEmbedding;
import quern.nn.PooledProjection;
import quern.nn.PositionIds;
import quern.nn.Positions;
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.SequencePooling;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.recipe.QuernException;
import quern.tensor.Parameter;

/**
 * CLIP (Radford et al. 2021, arXiv:2103.00020): a pre-norm transformer over patches of an image and one over a text, which
 * looks back only, each ending in one vector; vectors of an image and a text that belong together are to be alike.
 */
public final class Model implements ModelFamily<Config> {
    /** The end-of-text token by which transformers knows the first models, whose texts are taken at their highest id. */
    private static final int HIGHEST_ID = 2;

    private static final double TEXT_STD = 0.02;
    private static final String TEXT = "text_config";
    private static final String VISION = "vision_config";

    @Override
    public String id() {
        return "clip";
    }

    @Override
    public String summary() {
        return "CLIP: image and text encoders, compared";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("CLIP", Task.CONTRASTIVE);
    }

    /**
     * {@inheritDoc} Older files say {@code text_config_dict} and {@code vision_config_dict}, which replace all of the known
     * keys.
     */
    @Override
    public void normalise(Map<String, Object> settings, String where) {
        replace(settings, TEXT, Config.keys(TextConfig.class));
        replace(settings, VISION, Config.keys(VisionConfig.class));
    }

    private static void replace(Map<String, Object> settings, String part, Set<String> known) {
        Object older = settings.remove(part + "_dict");
        if (older instanceof Map<?, ?> wins) {
            Map<String, Object> both = part(settings, part);
            both.keySet().removeAll(known);
            wins.forEach((key, value) -> both.put((String) key, value));
            settings.put(part, both);
        }
    }

    private static Map<String, Object> part(Map<String, Object> settings, String part) {
        Map<String, Object> copy = new LinkedHashMap<>();
        if (settings.get(part) instanceof Map<?, ?> map) {
            map.forEach((key, value) -> copy.put((String) key, value));
        }
        return copy;
    }

    @Override
    public void completeRecipe(Map<String, Object> settings) {
        Map<String, Object> text = part(settings, TEXT);
        Map<String, Object> vision = part(settings, VISION);
        checkKeys(TEXT, text, Config.keys(TextConfig.class));
        checkKeys(VISION, vision, Config.keys(VisionConfig.class));
        if (settings.remove("vocab_size") instanceof Number size) {
            text.putIfAbsent("vocab_size", size);
        }
        for (Map<String, Object> sizes : List.of(text, vision)) {
            if (sizes.get("hidden_size") instanceof Number width) {
                sizes.putIfAbsent("intermediate_size", 4 * width.longValue());
            }
        }
        settings.put(TEXT, text);
        settings.put(VISION, vision);
    }

    private static void checkKeys(String part, Map<String, Object> written, Set<String> known) {
        for (String key : written.keySet()) {
            if (!known.contains(key)) {
                throw QuernException.badInput(
                        "model: %s: %s: unknown key; known are %s",
                        part, key, String.join(", ", known.stream().sorted().toList()));
            }
        }
    }

    @Override
    public void completeTokens(Map<String, Object> settings, Map<String, Object> ids) {
        Map<String, Object> text = part(settings, TEXT);
        ids.forEach((key, id) -> {
            if (id != null) {
                text.putIfAbsent(key, id);
            }
        });
        if (text.get("eos_token_id") instanceof Number eos
                && eos.intValue() == HIGHEST_ID
                && ids.containsValue(HIGHEST_ID)) {
            throw QuernException.badInput(
                    "model: text_config: eos_token_id: the tokenizer ends texts with token 2, by which CLIP's settings mean the token with the highest id; use a tokenizer with another end-of-text token");
        }
        settings.put(TEXT, text);
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        List<Segment> segments = new ArrayList<>(images(c, w));
        segments.addAll(texts(c, w));
        return segments;
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        Parameter scale = w.parameter("logit_scale", new Initialization.Constant(c.logitScaleInitValue()));
        return List.of(new ContrastiveHead("logit_scale", scale));
    }

    private static List<Segment> images(Config c, Weights w) {
        VisionConfig v = c.vision();
        int d = v.hiddenSize();
        String embeddings = "vision_model.embeddings";
        double std = v.initializerRange() * v.initializerFactor();
        List<Segment> segments = new ArrayList<>();
        segments.add(new PatchEmbedding(
                embeddings,
                w.parameter(
                        embeddings + ".class_embedding",
                        Initialization.normal(v.initializerFactor() / Math.sqrt(d)),
                        d),
                w.parameter(
                        embeddings + ".patch_embedding.weight",
                        Initialization.normal(std),
                        d,
                        v.numChannels(),
                        v.patchSize(),
                        v.patchSize()),
                w.embedding(embeddings + ".position_embedding", v.patches() + 1, d, std, OptionalLong.empty())));
        segments.add(new FinalNorm(
                "vision_model.pre_layrnorm", w.layerNorm("vision_model.pre_layrnorm", d, v.layerNormEps())));
        Blocks blocks = new Blocks(
                "vision_model",
                PatchEmbedding.MASK,
                d,
                v.intermediateSize(),
                v.numHiddenLayers(),
                v.numAttentionHeads(),
                v.hiddenAct(),
                v.layerNormEps(),
                v.attentionDropout(),
                v.initializerFactor());
        segments.addAll(blocks.segments(w));
        segments.add(new PooledProjection(
                "visual_projection",
                SequencePooling.firstToken(),
                w.layerNorm("vision_model.post_layernorm", d, v.layerNormEps()),
                w.linear("visual_projection", d, c.projectionDim(), false, c.initializerFactor() / Math.sqrt(d)),
                ContrastiveHead.IMAGES));
        return segments;
    }

    private static List<Segment> texts(Config c, Weights w) {
        TextConfig t = c.text();
        int d = t.hiddenSize();
        String embeddings = "text_model.embeddings";
        double std = TEXT_STD * t.initializerFactor();
        List<Segment> segments = new ArrayList<>();
        segments.add(new Positions("text_model.positions", w.dtype(), null).withPositionIds(PositionIds.columns()));
        segments.add(new TokenEmbedding(
                embeddings,
                w.embedding(embeddings + ".token_embedding", t.vocabSize(), d, std, OptionalLong.empty()),
                w.embedding(
                        embeddings + ".position_embedding", t.maxPositionEmbeddings(), d, std, OptionalLong.empty()),
                0));
        Blocks blocks = new Blocks(
                "text_model",
                "mask",
                d,
                t.intermediateSize(),
                t.numHiddenLayers(),
                t.numAttentionHeads(),
                t.hiddenAct(),
                t.layerNormEps(),
                t.attentionDropout(),
                t.initializerFactor());
        segments.addAll(blocks.segments(w));
        // The norm is a token's own, so only the pooled one needs it.
        segments.add(new PooledProjection(
                "text_projection",
                t.eosTokenId() == HIGHEST_ID ? SequencePooling.highestToken() : SequencePooling.firstOf(t.eosTokenId()),
                w.layerNorm("text_model.final_layer_norm", d, t.layerNormEps()),
                w.linear("text_projection", d, c.projectionDim(), false, c.initializerFactor() / Math.sqrt(d)),
                ContrastiveHead.TEXTS));
        return segments;
    }

    /** The blocks of a part; both parts have the same. */
    private record Blocks(
            String part,
            String mask,
            int width,
            int inner,
            int layers,
            int heads,
            String activation,
            double eps,
            double attentionDropout,
            double factor) {
        List<Segment> segments(Weights w) {
            List<Segment> segments = new ArrayList<>();
            for (int i = 0; i < layers; i++) {
                String name = part + ".encoder.layers." + i;
                segments.add(new TransformerBlock(
                        name,
                        Residual.preNorm(w.layerNorm(name + ".layer_norm1", width, eps), attention(name, i, w)),
                        Residual.preNorm(w.layerNorm(name + ".layer_norm2", width, eps), feedForward(name, w))));
            }
            return segments;
        }

        private SelfAttention attention(String name, int layer, Weights w) {
            int head = width / heads;
            SelfAttention.Shape shape =
                    new SelfAttention.Shape(heads, heads, head, 1 / Math.sqrt(head), attentionDropout, false);
            String attention = name + ".self_attn.";
            double in = factor / Math.sqrt(2.0 * layers * width);
            List<Linear> inputs = List.of("q_proj", "k_proj", "v_proj").stream()
                    .map(map -> w.linear(attention + map, width, width, true, in))
                    .toList();
            Linear output = w.linear(attention + "out_proj", width, width, true, factor / Math.sqrt(width));
            return new SelfAttention(name, layer, shape, inputs, output).withMask(mask);
        }

        private FeedForward feedForward(String name, Weights w) {
            return new FeedForward(
                    name,
                    null,
                    w.linear(name + ".mlp.fc1", width, inner, true, factor / Math.sqrt(2.0 * width)),
                    w.linear(name + ".mlp.fc2", inner, width, true, factor / Math.sqrt(2.0 * layers * width)),
                    Activation.of(activation, "hidden_act"));
        }
    }
}
