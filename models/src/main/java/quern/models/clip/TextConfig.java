package quern.models.clip;

import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The settings of CLIP's text part, {@code text_config}, with the names and defaults of transformers' {@code
 * CLIPTextConfig}.
 *
 * @param vocabSize tokens known
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width inside the feed-forward part
 * @param numHiddenLayers blocks
 * @param numAttentionHeads heads
 * @param maxPositionEmbeddings positions the model is made for
 * @param hiddenAct activation of the feed-forward part
 * @param layerNormEps added to the variance in norms
 * @param attentionDropout dropout on attention patterns
 * @param initializerFactor a factor on the standard deviations of new weights
 * @param eosTokenId the token whose place stands for the text; 2: the token with the highest id, as in the first models
 */
public record TextConfig(
        @Doc("The number of tokens; the tokenizer's when absent.") @Default("49408") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Default("512") @Range(min = 1)
        int hiddenSize,

        @Doc("The width inside the feed-forward part.") @Default("2048") @Range(min = 1)
        int intermediateSize,

        @Doc("The number of blocks.") @Default("12") @Range(min = 1)
        int numHiddenLayers,

        @Doc("The number of attention heads.") @Default("8") @Range(min = 1)
        int numAttentionHeads,

        @Doc("The positions the model is made for.") @Default("77") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The activation of the feed-forward part.") @Default("quick_gelu")
        String hiddenAct,

        @Doc("Added to the variance in norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEps,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("A factor on the standard deviations of new weights.") @Default("1") @Range(min = 0)
        double initializerFactor,

        @Doc("The token whose place stands for the text; 2: the token with the highest id.") @Default("49407")
        int eosTokenId) {
    /** Checks that the values fit together. */
    public TextConfig {
        ConfigChecks.heads("num_attention_heads", numAttentionHeads, "hidden_size", hiddenSize);
        ModelConfig.checkActivation("hidden_act", hiddenAct);
    }
}
