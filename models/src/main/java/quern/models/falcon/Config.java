package quern.models.falcon;

import java.util.Optional;
import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.models.RopeParameters;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Falcon's settings with the names and defaults of transformers' {@code FalconConfig}. */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Default("4544") @Range(min = 1)
        int hiddenSize,

        @Doc("The number of blocks.") @Default("32") @Range(min = 1)
        int numHiddenLayers,

        @Doc("The number of query heads; divides hidden_size.") @Default("71") @Range(min = 1)
        int numAttentionHeads,

        @Doc("With the new decoder: 2 norms, one before each part, or 1 before both; 2 when absent.") @Range(min = 1)
        Optional<Integer> numLnInParallelAttn,

        @Doc("Added to the variance in layer norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEpsilon,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Sets those of hidden_dropout and attention_dropout that are not given.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Dropout on what is added to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double hiddenDropout,

        @Doc(
                "Dropout on attention patterns with alibi, and on what attention adds to the residual stream when not parallel.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("The number of key and value heads of the new decoder; as many as query heads when absent.")
        @Range(min = 1)
        Optional<Integer> numKvHeads,

        @Doc("Biases by distance in place of rotary positions.") @Default("false")
        boolean alibi,

        @Doc("The decoder of Falcon 40B: grouped heads, parallel parts.") @Default("false")
        boolean newDecoderArchitecture,

        @Doc("One key and value head for all query heads; without the new decoder.") @Default("true")
        boolean multiQuery,

        @Doc("Attention and the feed-forward part side by side, not one after the other.") @Default("true")
        boolean parallelAttn,

        @Doc("Biases in the maps of the blocks.") @Default("false")
        boolean bias,

        @Doc("The positions the model is made for.") @Default("2048") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The rotary positions.") @Default("{}") RopeParameters ropeParameters,

        @Doc("The width inside the feed-forward part; 4 times hidden_size when absent.") @Range(min = 1)
        Optional<Integer> ffnHiddenSize,

        @Doc("The activation of the feed-forward part.") @Default("gelu")
        String activation,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings)
        implements ModelConfig {

    /** Checks that the sizes fit together and that the variants are ones that exist. */
    public Config {
        ModelConfig.checkActivation("activation", activation);
        ConfigChecks.heads("num_attention_heads", numAttentionHeads, "hidden_size", hiddenSize);
        if (newDecoderArchitecture) {
            numLnInParallelAttn = Optional.of(numLnInParallelAttn.orElse(2));
            ConfigChecks.keyValueHeads(
                    "num_kv_heads", numKvHeads.orElse(numAttentionHeads), "num_attention_heads", numAttentionHeads);
            if (!parallelAttn) {
                throw new IllegalArgumentException(
                        "parallel_attn: false, but with new_decoder_architecture the parts are parallel; set it to true");
            }
            if (numLnInParallelAttn.get() > 2) {
                throw new IllegalArgumentException(
                        "num_ln_in_parallel_attn: %d; there are 1 or 2".formatted(numLnInParallelAttn.get()));
            }
        } else {
            if (!multiQuery && numKvHeads.orElse(numAttentionHeads) != numAttentionHeads) {
                throw new IllegalArgumentException(
                        "num_kv_heads: %d, but without multi_query and new_decoder_architecture there are as many as query heads, %d"
                                .formatted(numKvHeads.get(), numAttentionHeads));
            }
            if (parallelAttn && numLnInParallelAttn.orElse(1) != 1) {
                throw new IllegalArgumentException("num_ln_in_parallel_attn: %d norms need new_decoder_architecture"
                        .formatted(numLnInParallelAttn.get()));
            }
        }
        if (!alibi) {
            ropeParameters.requireWholeHeads();
            int head = hiddenSize / numAttentionHeads;
            ConfigChecks.rotaryWidth("num_attention_heads", head, head);
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
        return alibi ? maxPositionEmbeddings : ropeParameters.contextLength(maxPositionEmbeddings);
    }

    int headWidth() {
        return hiddenSize / numAttentionHeads;
    }

    int keyValueHeads() {
        if (newDecoderArchitecture) {
            return numKvHeads.orElse(numAttentionHeads);
        }
        return multiQuery ? 1 : numAttentionHeads;
    }

    int innerWidth() {
        return ffnHiddenSize.orElse(4 * hiddenSize);
    }
}
