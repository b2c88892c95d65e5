package quern.models.llama;

import java.util.Optional;
import java.util.OptionalLong;
import quern.models.ModelConfig;
import quern.models.RopeParameters;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Llama's settings with the names and defaults of transformers' {@code LlamaConfig}, except that the sizes have no
 * defaults.
 *
 * @param vocabSize tokens known
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward part; recipes may leave it out
 * @param numHiddenLayers blocks
 * @param numAttentionHeads query heads
 * @param numKeyValueHeads heads of keys and values, each serving as many neighbouring query heads; as many as query heads
 *     when absent
 * @param headDim width of a head; {@code hidden_size / num_attention_heads} when absent
 * @param hiddenAct activation of the gate
 * @param maxPositionEmbeddings positions the model is made for
 * @param rmsNormEps added to the mean square
 * @param ropeParameters the rotary positions; older spellings {@code rope_theta} and {@code rope_scaling} are read
 * @param attentionBias biases in the attention's four maps
 * @param mlpBias biases in the feed-forward part
 * @param attentionDropout dropout on attention patterns
 * @param dropout dropout after the embedding and on what each part adds to the residual stream; transformers' Llama has
 *     none, and ignores the key
 * @param tieWordEmbeddings the head shares the embedding's matrix
 * @param initializerRange standard deviation of new weights
 * @param padTokenId the token whose embedding starts at 0 and is never trained as an input; negative counts from the end
 */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int hiddenSize,

        @Doc("The width inside the feed-forward part; in recipes 8/3 of hidden_size, rounded up to 64s, when absent.")
        @Range(min = 1)
        int intermediateSize,

        @Doc("The number of blocks.") @Range(min = 1) int numHiddenLayers,
        @Doc("The number of query heads.") @Range(min = 1) int numAttentionHeads,

        @Doc("The number of key and value heads; divides num_attention_heads, and equals it when absent.")
        @Range(min = 1)
        Optional<Integer> numKeyValueHeads,

        @Doc("The width of a head; hidden_size / num_attention_heads when absent.") @Range(min = 2)
        Optional<Integer> headDim,

        @Doc("The activation of the gate.") @Default("silu") String hiddenAct,

        @Doc("The positions the model is made for.") @Default("2048") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("Added to the mean square in norms.") @Default("1e-6") @Range(min = 0, minExclusive = true)
        double rmsNormEps,

        @Doc("The rotary positions.") @Default("{}") RopeParameters ropeParameters,

        @Doc("Biases in the attention's maps.") @Default("false")
        boolean attentionBias,

        @Doc("Biases in the feed-forward part.") @Default("false")
        boolean mlpBias,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("Dropout after the embedding and on what each part adds to the residual stream.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Share the embedding's matrix with the head.") @Default("false")
        boolean tieWordEmbeddings,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId)
        implements ModelConfig {

    /** Checks that the sizes fit together. */
    public Config {
        ModelConfig.checkActivation("hidden_act", hiddenAct);
        if (headDim.isEmpty() && hiddenSize % numAttentionHeads != 0) {
            throw new IllegalArgumentException(
                    "num_attention_heads: %d heads don't divide hidden_size %d; choose a divisor, or give head_dim"
                            .formatted(numAttentionHeads, hiddenSize));
        }
        int kv = numKeyValueHeads.orElse(numAttentionHeads);
        if (numAttentionHeads % kv != 0) {
            throw new IllegalArgumentException(
                    "num_key_value_heads: %d doesn't divide num_attention_heads %d; choose a divisor"
                            .formatted(kv, numAttentionHeads));
        }
        int head = headDim.orElse(hiddenSize / numAttentionHeads);
        if (head % 2 != 0) {
            throw new IllegalArgumentException(
                    "%s: heads are %d wide; rotary positions turn pairs, so the width must be even"
                            .formatted(headDim.isPresent() ? "head_dim" : "num_attention_heads", head));
        }
        ropeParameters.requireWholeHeads();
        if (padTokenId.isPresent() && (padTokenId.get() >= vocabSize || padTokenId.get() < -vocabSize)) {
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
        return ropeParameters.contextLength(maxPositionEmbeddings);
    }

    int headWidth() {
        return headDim.orElse(hiddenSize / numAttentionHeads);
    }

    int keyValueHeads() {
        return numKeyValueHeads.orElse(numAttentionHeads);
    }

    OptionalLong paddingRow() {
        return padTokenId
                .map(id -> OptionalLong.of(id < 0 ? id + vocabSize : id))
                .orElse(OptionalLong.empty());
    }
}
