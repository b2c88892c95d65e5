package quern.models;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * The settings that decoders built like Llama have in common; {@link RotaryDecoder} makes their parts from them. The names
 * are those of {@code config.json}.
 */
public interface RotaryDecoderConfig extends ModelConfig {
    /** The width of the residual stream. */
    int hiddenSize();

    /** The width inside the feed-forward part. */
    int intermediateSize();

    /** The number of blocks. */
    int numHiddenLayers();

    /** The number of query heads. */
    int numAttentionHeads();

    /** The number of key and value heads; as many as query heads when empty. */
    Optional<Integer> numKeyValueHeads();

    /** The width of a head; the stream's width over the number of heads when empty. */
    Optional<Integer> headDim();

    /** The positions the model is made for. */
    int maxPositionEmbeddings();

    /** The rotary positions. */
    RopeParameters ropeParameters();

    /** Dropout on attention patterns. */
    double attentionDropout();

    /** Dropout where the family's own settings have none. */
    Optional<Double> dropout();

    /** The rate of dropout after the embedding. */
    default double embeddingDropout() {
        return dropout().orElse(0.0);
    }

    /** The rate of dropout on what each part adds to the residual stream. */
    default double residualDropout() {
        return dropout().orElse(0.0);
    }

    /** The standard deviation of new weights. */
    double initializerRange();

    /** Whether the head shares the embedding's matrix. */
    boolean tieWordEmbeddings();

    /** The padding token, whose embedding is not trained as an input. */
    Optional<Integer> padTokenId();

    /** The activation of the gate by Hugging Face's name. */
    String gateActivation();

    /** How many of the newest keys, its own among them, a query of this block sees; all when empty. */
    default OptionalInt window(int layer) {
        return OptionalInt.empty();
    }

    @Override
    default int width() {
        return hiddenSize();
    }

    @Override
    default int layers() {
        return numHiddenLayers();
    }

    @Override
    default int contextLength() {
        return ropeParameters().contextLength(maxPositionEmbeddings());
    }

    /** The width of a head. */
    default int headWidth() {
        return headDim().orElse(hiddenSize() / numAttentionHeads());
    }

    /** The number of key and value heads. */
    default int keyValueHeads() {
        return numKeyValueHeads().orElse(numAttentionHeads());
    }

    /** The row of the embedding that belongs to the padding token. */
    default OptionalLong paddingRow() {
        return ConfigChecks.paddingRow(padTokenId(), vocabSize());
    }

    /** Checks that the sizes fit together; for the constructor of a family's settings, at its end. */
    static void check(
            String activationKey,
            String activation,
            int hiddenSize,
            int heads,
            Optional<Integer> keyValueHeads,
            Optional<Integer> headDim,
            RopeParameters rope,
            Optional<Integer> padTokenId,
            int vocabSize) {
        ModelConfig.checkActivation(activationKey, activation);
        if (headDim.isEmpty() && hiddenSize % heads != 0) {
            throw new IllegalArgumentException(
                    "num_attention_heads: %d heads don't divide hidden_size %d; choose a divisor, or give head_dim"
                            .formatted(heads, hiddenSize));
        }
        ConfigChecks.keyValueHeads("num_key_value_heads", keyValueHeads.orElse(heads), "num_attention_heads", heads);
        int head = headDim.orElse(hiddenSize / heads);
        int turned = rope.rotaryWidth(head);
        int pairs = rope.turningDimensions(head);
        if (pairs % 2 != 0 || pairs < 2 || pairs > head) {
            throw new IllegalArgumentException(
                    "%s: heads are %d wide and %d dimensions turn; rotary positions turn pairs, so their number must be even"
                            .formatted(headDim.isPresent() ? "head_dim" : "num_attention_heads", head, turned));
        }
        rope.requireWidth(turned);
        ConfigChecks.padding(padTokenId, vocabSize);
    }
}
