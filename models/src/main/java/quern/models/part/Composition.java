package quern.models.part;

import java.util.Optional;
import java.util.OptionalLong;
import quern.models.EncoderDecoderConfig;

/** The settings of a composed model as its parts see them. The names are those of the keys of {@code model} in a recipe. */
public interface Composition extends EncoderDecoderConfig {
    /** The chosen parts with their settings. */
    Parts parts();

    /** Width of the residual stream. */
    int hiddenSize();

    /** Width of the token vectors where it is not that of the stream. */
    Optional<Integer> embeddingSize();

    /** Blocks; beside an encoder those of the decoder. */
    int numHiddenLayers();

    /** Blocks of the encoder beside a decoder. */
    int encoderLayers();

    /** Query heads. */
    int numAttentionHeads();

    /** Heads of keys and values, which divide the query heads. */
    int keyValueHeads();

    /** Width of a head. */
    int headWidth();

    /** Width inside a feed-forward part. */
    int innerWidth();

    /** Positions the model is made for. */
    int maxPositionEmbeddings();

    /** Where norms stand. */
    NormPlacement normPlacement();

    /** Whether queries and keys are normed head by head. */
    boolean qkNorm();

    /** Whether a norm follows the embedding. */
    boolean embeddingNorm();

    /** Whether attention and feed-forward part stand side by side. */
    boolean parallelResidual();

    /** Whether attention's maps have biases. */
    boolean attentionBias();

    /** Whether the feed-forward part's maps have biases. */
    boolean mlpBias();

    /** The cap on attention scores. */
    Optional<Double> attnLogitSoftcapping();

    /** The cap on logits. */
    Optional<Double> finalLogitSoftcapping();

    /** Whether each head has a learnt logit that takes part in softmax and points nowhere. */
    boolean attentionSinks();

    /** Dropout on attention patterns. */
    double attentionDropout();

    /** Dropout on what each part adds to the residual stream. */
    double residualDropout();

    /** Dropout after the embedding. */
    double embeddingDropout();

    /** Standard deviation for new weights, where the initialization takes one. */
    Optional<Double> initializerRange();

    /** As above with the usual value where a recipe names none. */
    default double standardDeviation() {
        return initializerRange().orElse(0.02);
    }

    /** Whether the head shares the embedding's matrix. */
    boolean tieWordEmbeddings();

    /** The row of the embedding that belongs to the padding token. */
    OptionalLong paddingRow();
}
