package quern.models.clip;

import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The settings of CLIP's image part, {@code vision_config}, with the names and defaults of transformers' {@code
 * CLIPVisionConfig}.
 *
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward part
 * @param numHiddenLayers blocks
 * @param numAttentionHeads heads
 * @param numChannels colours of a pixel
 * @param imageSize pixels of an image's side
 * @param patchSize pixels of a patch's side
 * @param hiddenAct activation of the feed-forward part
 * @param layerNormEps added to the variance in norms
 * @param attentionDropout dropout on attention patterns
 * @param initializerRange standard deviation of new patch maps and positions
 * @param initializerFactor a factor on the standard deviations of new weights
 */
public record VisionConfig(
        @Doc("The width of the residual stream.") @Default("768") @Range(min = 1)
        int hiddenSize,

        @Doc("The width inside the feed-forward part.") @Default("3072") @Range(min = 1)
        int intermediateSize,

        @Doc("The number of blocks.") @Default("12") @Range(min = 1)
        int numHiddenLayers,

        @Doc("The number of attention heads.") @Default("12") @Range(min = 1)
        int numAttentionHeads,

        @Doc("The colours of a pixel.") @Default("3") @Range(min = 1)
        int numChannels,

        @Doc("The pixels of an image's side.") @Default("224") @Range(min = 1)
        int imageSize,

        @Doc("The pixels of a patch's side.") @Default("32") @Range(min = 1)
        int patchSize,

        @Doc("The activation of the feed-forward part.") @Default("quick_gelu")
        String hiddenAct,

        @Doc("Added to the variance in norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEps,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("The standard deviation of new patch maps and positions.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("A factor on the standard deviations of new weights.") @Default("1") @Range(min = 0)
        double initializerFactor) {
    /** Checks that the values fit together. */
    public VisionConfig {
        ConfigChecks.heads("num_attention_heads", numAttentionHeads, "hidden_size", hiddenSize);
        ModelConfig.checkActivation("hidden_act", hiddenAct);
        if (patchSize > imageSize) {
            throw new IllegalArgumentException(
                    "patch_size: a patch of %d pixels is larger than the image's side of %d; lower it"
                            .formatted(patchSize, imageSize));
        }
    }

    int patches() {
        int side = imageSize / patchSize;
        return side * side;
    }
}
