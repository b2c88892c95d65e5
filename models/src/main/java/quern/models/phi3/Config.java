package quern.models.phi3;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import quern.models.RopeParameters;
import quern.models.RotaryDecoderConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * Settings of Phi-3 with the names and defaults of transformers' {@code Phi3Config}, except that the sizes have no defaults.
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

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double residPdrop,

        @Doc("Dropout after the embedding; transformers has the key but no such dropout.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double embdPdrop,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc(
                "Dropout after the embedding and on what each part adds to the residual stream; transformers ignores the key.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("The activation of the gate.") @Default("silu") String hiddenAct,

        @Doc("The positions the model is made for.") @Default("4096") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The positions before longrope stretches them.") @Default("4096") @Range(min = 1)
        int originalMaxPositionEmbeddings,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Added to the mean square in norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double rmsNormEps,

        @Doc("Share the embedding's matrix with the head.") @Default("false")
        boolean tieWordEmbeddings,

        @Doc("The rotary positions.") @Default("{}") RopeParameters ropeParameters,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId,

        @Doc("How many of the newest tokens a query sees; all when absent.") @Range(min = 1)
        Optional<Integer> slidingWindow)
        implements RotaryDecoderConfig {

    /** Checks that the sizes fit together. */
    public Config {
        if (ropeParameters.ropeType().equals("longrope")) {
            ropeParameters = ropeParameters.withOriginalContext(originalMaxPositionEmbeddings);
        }
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
        if (!Set.of("default", "longrope").contains(ropeParameters.ropeType())) {
            throw new IllegalArgumentException(
                    "rope_parameters: rope_type: Phi-3 knows default and longrope, found '%s'"
                            .formatted(ropeParameters.ropeType()));
        }
    }

    @Override
    public String gateActivation() {
        return hiddenAct;
    }

    @Override
    public OptionalInt window(int layer) {
        return slidingWindow.map(OptionalInt::of).orElse(OptionalInt.empty());
    }

    @Override
    public double embeddingDropout() {
        return embdPdrop;
    }

    @Override
    public double residualDropout() {
        return residPdrop;
    }
}
