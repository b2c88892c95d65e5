package quern.models.internal;

import java.util.Map;
import quern.models.EncoderDecoderConfig;
import quern.models.ModelConfig;

/** The settings that BART and its kin have in common, by the names of their configurations. */
public interface EncoderDecoderSettings extends EncoderDecoderConfig {
    /** Names that stand for others in transformers' configurations of these families. */
    Map<String, String> ALIASES = Map.of(
            "hidden_size", "d_model",
            "num_attention_heads", "encoder_attention_heads",
            "num_hidden_layers", "encoder_layers");

    /** Positions of the source and of what is written. */
    int maxPositionEmbeddings();

    /** Width of the residual stream. */
    int dModel();

    /** Blocks. */
    int encoderLayers();

    /** Width inside a feed-forward part. */
    int encoderFfnDim();

    /** Heads. */
    int encoderAttentionHeads();

    /** Blocks. */
    int decoderLayers();

    /** Width inside a feed-forward part. */
    int decoderFfnDim();

    /** Heads. */
    int decoderAttentionHeads();

    /** Share of blocks left out of a training pass. */
    double encoderLayerdrop();

    /** Share of blocks left out of a training pass. */
    double decoderLayerdrop();

    /** Activation of the feed-forward parts. */
    String activationFunction();

    /** Dropout after the embeddings and on what each part adds. */
    double dropout();

    /** Dropout on attention patterns. */
    double attentionDropout();

    /** Dropout inside the feed-forward parts. */
    double activationDropout();

    /** Standard deviation of new weights. */
    double initStd();

    /** Whether token vectors are multiplied by √d_model. */
    boolean scaleEmbedding();

    /** Whether one matrix serves both embeddings and the output. */
    boolean tieWordEmbeddings();

    /** The padding token. */
    int padTokenId();

    /** The first token that the decoder reads. */
    int decoderStartTokenId();

    @Override
    default int width() {
        return dModel();
    }

    @Override
    default int layers() {
        return encoderLayers();
    }

    @Override
    default int contextLength() {
        return maxPositionEmbeddings();
    }

    @Override
    default int decoderStart() {
        return decoderStartTokenId();
    }

    @Override
    default int padding() {
        return padTokenId();
    }

    /** Widths that a recipe left out. */
    static void completeRecipe(Map<String, Object> settings) {
        Object width = settings.getOrDefault("d_model", settings.get("hidden_size"));
        if (width instanceof Number d) {
            settings.putIfAbsent("encoder_ffn_dim", 4 * d.longValue());
            settings.putIfAbsent("decoder_ffn_dim", 4 * d.longValue());
        }
    }

    /** Refuses heads that don't divide the width. */
    static void checkHeads(String key, int heads, int width) {
        if (width % heads != 0) {
            throw new IllegalArgumentException(
                    "%s: %d heads don't divide d_model %d; choose a divisor".formatted(key, heads, width));
        }
    }

    /** Refuses a token that the model doesn't know. */
    static void checkToken(String key, int id, int vocabulary) {
        if (id >= vocabulary) {
            throw new IllegalArgumentException("%s: %d is outside the vocabulary of %d".formatted(key, id, vocabulary));
        }
    }

    /** Refuses an activation that Quern doesn't have. */
    static void checkActivation(String key, String name) {
        ModelConfig.checkActivation(key, name);
    }
}
