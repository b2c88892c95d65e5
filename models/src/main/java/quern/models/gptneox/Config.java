package quern.models.gptneox;

import java.util.Optional;
import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.models.RopeParameters;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** GPT-NeoX's settings with the names and defaults of transformers' {@code GPTNeoXConfig}; sizes have no defaults. */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int hiddenSize,

        @Doc("The number of blocks.") @Range(min = 1) int numHiddenLayers,

        @Doc("The number of attention heads; divides hidden_size.") @Range(min = 1)
        int numAttentionHeads,

        @Doc("The width inside the feed-forward part; in recipes 4 times hidden_size when absent.") @Range(min = 1)
        int intermediateSize,

        @Doc("The activation of the feed-forward part.") @Default("gelu")
        String hiddenAct,

        @Doc("Sets those of hidden_dropout and attention_dropout that are not given.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("Dropout after the embedding and on what each part adds to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double hiddenDropout,

        @Doc("The positions the model is made for.") @Default("2048") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Added to the variance in layer norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEps,

        @Doc("Share the embedding's matrix with the head.") @Default("false")
        boolean tieWordEmbeddings,

        @Doc("Attention and the feed-forward part side by side, not one after the other.") @Default("true")
        boolean useParallelResidual,

        @Doc("The rotary positions; a quarter of each head turns unless partial_rotary_factor says otherwise.")
        @Default("{partial_rotary_factor: 0.25}")
        RopeParameters ropeParameters,

        @Doc("Biases in the attention's maps.") @Default("true")
        boolean attentionBias)
        implements ModelConfig {

    /** Checks that the sizes fit together. */
    public Config {
        ModelConfig.checkActivation("hidden_act", hiddenAct);
        ConfigChecks.heads("num_attention_heads", numAttentionHeads, "hidden_size", hiddenSize);
        int head = hiddenSize / numAttentionHeads;
        ConfigChecks.rotaryWidth("rope_parameters", ropeParameters.turningDimensions(head), head);
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
        return hiddenSize / numAttentionHeads;
    }
}
