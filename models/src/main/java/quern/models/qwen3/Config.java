package quern.models.qwen3;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import quern.models.LayerTypes;
import quern.models.RopeParameters;
import quern.models.RotaryDecoderConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Settings of Qwen 3 with the names and defaults of transformers' {@code Qwen3Config}, except that the sizes have no defaults.
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

        @Doc("The positions the model is made for.") @Default("32768") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Added to the mean square in norms.") @Default("1e-6") @Range(min = 0, minExclusive = true)
        double rmsNormEps,

        @Doc("Share the embedding's matrix with the head.") @Default("false")
        boolean tieWordEmbeddings,

        @Doc("The rotary positions.") @Default("{}") RopeParameters ropeParameters,

        @Doc("Biases in the attention's maps.") @Default("false")
        boolean attentionBias,

        @Doc("Whether some blocks see a sliding window only.") @Default("false")
        boolean useSlidingWindow,

        @Doc("With use_sliding_window: how many of the newest tokens a query of those blocks sees.") @Range(min = 1)
        Optional<Integer> slidingWindow,

        @Doc("With use_sliding_window and no layer_types: blocks before this one see all.")
        @Default("28")
        @Range(min = 0)
        int maxWindowLayers,

        @Doc("What each block sees: full_attention or sliding_attention.")
        Optional<List<String>> layerTypes,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc(
                "Dropout after the embedding and on what each part adds to the residual stream; transformers ignores the key.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId)
        implements RotaryDecoderConfig {

    /** Checks that the sizes fit together. */
    public Config {
        RotaryDecoderConfig.check(
                "hidden_act",
                hiddenAct,
                hiddenSize,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                ropeParameters,
                padTokenId,
                vocabSize);
        ropeParameters.requireWholeHeads();
        LayerTypes.check(layerTypes, numHiddenLayers);
        boolean slides =
                layerTypes.map(types -> types.contains(LayerTypes.SLIDING)).orElse(false);
        if (slides && (slidingWindow.isEmpty() || !useSlidingWindow)) {
            throw new IllegalArgumentException(
                    "layer_types: some blocks slide, but sliding_window is missing or use_sliding_window is false; give both");
        }
    }

    @Override
    public String gateActivation() {
        return hiddenAct;
    }

    @Override
    public OptionalInt window(int layer) {
        return LayerTypes.isSliding(
                        layerTypes, layer, useSlidingWindow && slidingWindow.isPresent() && layer >= maxWindowLayers)
                ? OptionalInt.of(slidingWindow.orElseThrow())
                : OptionalInt.empty();
    }
}
