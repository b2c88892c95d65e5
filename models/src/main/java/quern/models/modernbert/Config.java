package quern.models.modernbert;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * ModernBERT's settings with the names and defaults of transformers' {@code ModernBertConfig}, except that the sizes have
 * no defaults.
 *
 * @param vocabSize tokens known
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward part; recipes may leave it out
 * @param numHiddenLayers blocks
 * @param numAttentionHeads heads
 * @param hiddenActivation activation of the gate
 * @param maxPositionEmbeddings positions the model is made for
 * @param initializerRange standard deviation of new weights
 * @param initializerCutoffFactor new weights are at most so many standard deviations from 0
 * @param normEps added to the variance in norms
 * @param normBias biases in norms
 * @param padTokenId the padding token, whose embedding starts at 0 and is never trained as an input
 * @param attentionBias biases in the attention's maps
 * @param attentionDropout dropout on attention patterns and on what attention adds to the residual stream
 * @param layerTypes {@code full_attention} or {@code sliding_attention} for each block
 * @param ropeParameters the rotary positions of each kind
 * @param localAttention tokens that a sliding block sees: half before, half behind
 * @param embeddingDropout dropout after the embedding
 * @param mlpBias biases in the feed-forward part
 * @param mlpDropout dropout inside it
 * @param decoderBias a bias over the vocabulary
 * @param classifierPooling {@code cls} or {@code mean}: what stands for the whole text
 * @param classifierDropout dropout before a head
 * @param classifierBias a bias in the layer before every head
 * @param classifierActivation its activation
 * @param tieWordEmbeddings the head shares the embedding's matrix
 */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int hiddenSize,

        @Doc("The width inside the feed-forward part; in recipes 3/2 of hidden_size when absent.") @Range(min = 1)
        int intermediateSize,

        @Doc("The number of blocks.") @Range(min = 1) int numHiddenLayers,

        @Doc("The number of heads; divides hidden_size.") @Range(min = 1)
        int numAttentionHeads,

        @Doc("The activation of the gate.") @Default("gelu") String hiddenActivation,

        @Doc("The positions the model is made for.") @Default("8192") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("New weights are at most so many standard deviations from 0.")
        @Default("2")
        @Range(min = 0, minExclusive = true)
        double initializerCutoffFactor,

        @Doc("Added to the variance in norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double normEps,

        @Doc("Biases in norms.") @Default("false") boolean normBias,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId,

        @Doc("Biases in the attention's maps.") @Default("false")
        boolean attentionBias,

        @Doc("Dropout on attention patterns and on what attention adds.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("full_attention or sliding_attention for each block; every third sees the whole text when absent.")
        List<String> layerTypes,

        @Doc("The rotary positions of each kind of block.") @Default("{}")
        LayerRopes ropeParameters,

        @Doc("The tokens that a sliding block sees.") @Default("128") @Range(min = 1)
        int localAttention,

        @Doc("Dropout after the embedding.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double embeddingDropout,

        @Doc("Biases in the feed-forward part.") @Default("false")
        boolean mlpBias,

        @Doc("Dropout inside the feed-forward part.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double mlpDropout,

        @Doc("A bias over the vocabulary.") @Default("true") boolean decoderBias,

        @Doc("cls or mean: what stands for the whole text.") @Default("cls")
        String classifierPooling,

        @Doc("Dropout before a head.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double classifierDropout,

        @Doc("A bias in the layer before every head.") @Default("false")
        boolean classifierBias,

        @Doc("The activation of the layer before every head.") @Default("gelu")
        String classifierActivation,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings)
        implements ModelConfig {
    /** A block that sees its neighbourhood. */
    static final String SLIDING = "sliding_attention";

    /** A block that sees the whole text. */
    static final String FULL = "full_attention";

    /** Checks that the sizes fit together. */
    public Config {
        ModelConfig.checkActivation("hidden_activation", hiddenActivation);
        ModelConfig.checkActivation("classifier_activation", classifierActivation);
        if (hiddenSize % numAttentionHeads != 0) {
            throw new IllegalArgumentException(
                    "num_attention_heads: %d heads don't divide hidden_size %d; choose a divisor"
                            .formatted(numAttentionHeads, hiddenSize));
        }
        if (hiddenSize / numAttentionHeads % 2 != 0) {
            throw new IllegalArgumentException(
                    "num_attention_heads: heads are %d wide; rotary positions turn pairs, so the width must be even"
                            .formatted(hiddenSize / numAttentionHeads));
        }
        if (layerTypes.size() != numHiddenLayers) {
            throw new IllegalArgumentException("layer_types: %d kinds for num_hidden_layers %d; give one for each block"
                    .formatted(layerTypes.size(), numHiddenLayers));
        }
        for (String type : layerTypes) {
            if (!type.equals(SLIDING) && !type.equals(FULL)) {
                throw new IllegalArgumentException(
                        "layer_types: found '%s', expected %s or %s".formatted(type, FULL, SLIDING));
            }
        }
        if (!classifierPooling.equals("cls") && !classifierPooling.equals("mean")) {
            throw new IllegalArgumentException(
                    "classifier_pooling: found '%s', expected cls or mean".formatted(classifierPooling));
        }
        if (padTokenId.isPresent() && (padTokenId.get() < 0 || padTokenId.get() >= vocabSize)) {
            throw new IllegalArgumentException(
                    "pad_token_id: %d is outside the vocabulary of %d".formatted(padTokenId.get(), vocabSize));
        }
    }

    @Override
    public int width() {
        return hiddenSize;
    }

    @Override
    public int layers() {
        return numHiddenLayers;
    }

    @Override
    public int contextLength() {
        return maxPositionEmbeddings;
    }

    int headWidth() {
        return hiddenSize / numAttentionHeads;
    }

    OptionalLong paddingRow() {
        return padTokenId.map(id -> OptionalLong.of(id)).orElse(OptionalLong.empty());
    }
}
