package quern.models.ernie45;

import java.util.Optional;
import quern.models.RopeParameters;
import quern.models.RotaryDecoderConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** ERNIE 4.5's settings with the names and defaults of transformers' {@code Ernie4_5Config}; sizes have no defaults. */
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

        @Doc("The positions the model is made for.") @Default("131072") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Added to the mean square in norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double rmsNormEps,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings,

        @Doc("The rotary positions.") @Default("{rope_theta: 500000}")
        RopeParameters ropeParameters,

        @Doc("Biases in the maps of the blocks.") @Default("false")
        boolean useBias,

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
    }

    @Override
    public String gateActivation() {
        return hiddenAct;
    }

    @Override
    public double attentionDropout() {
        return 0;
    }
}
