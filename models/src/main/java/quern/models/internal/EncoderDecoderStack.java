package quern.models.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import quern.models.Initialization;
import quern.models.Weights;
import quern.nn.Activation;
import quern.nn.Branch;
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
import quern.nn.Residual;
import quern.nn.Segment;
import quern.nn.SelfAttention;
import quern.nn.TokenEmbedding;
import quern.nn.TransformerBlock;
import quern.nn.UnreadParameters;
import quern.tensor.Parameter;

/**
 * Encoder and decoder of BART and its kin: learned positions, biases everywhere, layer norms. As made its blocks are
 * pre-norm; the {@code with…} methods say what a family has otherwise.
 */
public final class EncoderDecoderStack {
    private static final double EPS = 1e-5;
    private static final String SHARED = "model.shared";

    private final EncoderDecoderSettings c;
    private final Weights w;
    private boolean postNorm;
    private boolean embeddingNorm;
    private boolean finalNorm;
    private int positionOffset;

    /** The stack of these settings with the parameters that {@code w} gives. */
    public EncoderDecoderStack(EncoderDecoderSettings c, Weights w) {
        this.c = c;
        this.w = w;
    }

    /** Norms after each part and not before it. */
    public EncoderDecoderStack withPostNorm() {
        postNorm = true;
        return this;
    }

    /** A norm over the embeddings, {@code layernorm_embedding}. */
    public EncoderDecoderStack withEmbeddingNorm() {
        embeddingNorm = true;
        return this;
    }

    /** A norm at the end of encoder and decoder, {@code layer_norm}. */
    public EncoderDecoderStack withFinalNorm() {
        finalNorm = true;
        return this;
    }

    /** Position p has row {@code p + rows} of its table. */
    public EncoderDecoderStack withPositionOffset(int rows) {
        positionOffset = rows;
        return this;
    }

    /** The segments of the body. */
    public List<Segment> segments() {
        Parameter shared = tokens(SHARED);
        boolean encoderTied = tied("model.encoder.embed_tokens", shared);
        boolean decoderTied = tied("model.decoder.embed_tokens", shared);
        List<Segment> segments = new ArrayList<>();
        segments.add(new EncoderPositions("model.encoder.positions", w.dtype()));
        segments.add(embedding("model.encoder", encoderTied ? shared : tokens("model.encoder.embed_tokens")));
        for (int i = 0; i < c.encoderLayers(); i++) {
            String name = "model.encoder.layers." + i;
            segments.add(new TransformerBlock(
                            name,
                            selfAttention(name, i, c.encoderAttentionHeads()),
                            feedForward(name, c.encoderFfnDim()))
                    .withLayerDrop(c.encoderLayerdrop()));
        }
        segments.add(
                new EncoderOutput("model.encoder.layer_norm", finalNorm ? norm("model.encoder.layer_norm") : null, 0));

        segments.add(new DecoderInputs("model.decoder.inputs", c.decoderStart(), c.padding()));
        segments.add(new DecoderPositions("model.decoder.positions", w.dtype()));
        segments.add(embedding("model.decoder", decoderTied ? shared : tokens("model.decoder.embed_tokens"))
                .withIds(DecoderPositions.INPUT));
        for (int i = 0; i < c.decoderLayers(); i++) {
            String name = "model.decoder.layers." + i;
            segments.add(new TransformerBlock(
                            name,
                            selfAttention(name, i, c.decoderAttentionHeads()),
                            crossAttention(name, i),
                            feedForward(name, c.decoderFfnDim()))
                    .withLayerDrop(c.decoderLayerdrop()));
        }
        if (finalNorm) {
            segments.add(new FinalNorm("model.decoder.layer_norm", norm("model.decoder.layer_norm")));
        }
        if (!encoderTied && !decoderTied && !headTied(c, w)) {
            // Files hold it all the same, and transformers wants to find it there.
            shared.setTrainable(false);
            segments.add(new UnreadParameters("model.shared", List.of(shared)));
        }
        return segments;
    }

    /** The output matrix, and the bias {@code final_logits_bias} [1, V], which is never trained. */
    public static Segment languageModelHead(EncoderDecoderSettings c, Weights w) {
        Parameter bias = w.buffer("final_logits_bias", Initialization.ZEROS, 1, c.vocabSize());
        return new LanguageModelHead(
                "lm_head",
                headTied(c, w)
                        ? w.tied("lm_head", w.shared(SHARED + ".weight"), bias)
                        : w.linear("lm_head", c.dModel(), c.vocabSize(), bias, c.initStd()));
    }

    private static boolean headTied(EncoderDecoderSettings c, Weights w) {
        return w.isTied("lm_head.weight", SHARED + ".weight", c.tieWordEmbeddings());
    }

    private boolean tied(String name, Parameter shared) {
        boolean tied = w.isTied(name + ".weight", SHARED + ".weight", c.tieWordEmbeddings());
        if (tied) {
            w.tie(name + ".weight", shared);
        }
        return tied;
    }

    private Parameter tokens(String name) {
        return w.embedding(name, c.vocabSize(), c.dModel(), c.initStd(), OptionalLong.of(c.padTokenId()));
    }

    private TokenEmbedding embedding(String stack, Parameter tokens) {
        int rows = c.maxPositionEmbeddings() + positionOffset;
        Parameter positions =
                w.embedding(stack + ".embed_positions", rows, c.dModel(), c.initStd(), OptionalLong.empty());
        TokenEmbedding embedding = new TokenEmbedding(
                        stack + ".embed_tokens", tokens, positions, c.dropout(), OptionalLong.of(c.padTokenId()))
                .withPositionOffset(positionOffset);
        if (embeddingNorm) {
            embedding = embedding.withNorm(norm(stack + ".layernorm_embedding"));
        }
        return c.scaleEmbedding() ? embedding.withFactor(Math.sqrt(c.dModel())) : embedding;
    }

    private Residual selfAttention(String block, int layer, int heads) {
        List<Linear> maps = maps(block + ".self_attn");
        SelfAttention attention = new SelfAttention(block, layer, shape(heads), maps.subList(0, 3), maps.get(3));
        return residual(attention, block + ".self_attn_layer_norm");
    }

    private Residual crossAttention(String block, int layer) {
        List<Linear> maps = maps(block + ".encoder_attn");
        CrossAttention attention = new CrossAttention(
                block, layer, shape(c.decoderAttentionHeads()), maps.get(0), maps.get(1), maps.get(2), maps.get(3));
        return residual(attention, block + ".encoder_attn_layer_norm");
    }

    private Residual feedForward(String block, int inner) {
        FeedForward feedForward = new FeedForward(
                        block,
                        null,
                        w.linear(block + ".fc1", c.dModel(), inner, true, c.initStd()),
                        w.linear(block + ".fc2", inner, c.dModel(), true, c.initStd()),
                        Activation.of(c.activationFunction(), "activation_function"))
                .withHiddenDropout(c.activationDropout());
        return residual(feedForward, block + ".final_layer_norm");
    }

    private Residual residual(Branch part, String norm) {
        return (postNorm ? Residual.postNorm(part, norm(norm)) : Residual.preNorm(norm(norm), part))
                .withDropout(c.dropout());
    }

    private SelfAttention.Shape shape(int heads) {
        int width = c.dModel() / heads;
        return new SelfAttention.Shape(heads, heads, width, 1 / Math.sqrt(width), c.attentionDropout(), false);
    }

    /** The maps of queries, keys, values and the output. */
    private List<Linear> maps(String name) {
        return List.of("q_proj", "k_proj", "v_proj", "out_proj").stream()
                .map(map -> w.linear(name + "." + map, c.dModel(), c.dModel(), true, c.initStd()))
                .toList();
    }

    private Norm norm(String name) {
        return w.layerNorm(name, c.dModel(), EPS);
    }
}
