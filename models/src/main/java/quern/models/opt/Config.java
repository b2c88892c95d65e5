package quern.models.opt;

import java.util.Optional;
import java.util.OptionalLong;
import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** OPT's settings with the names and defaults of transformers' {@code OPTConfig}. */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Default("768") @Range(min = 1)
        int hiddenSize,

        @Doc("The number of blocks.") @Default("12") @Range(min = 1)
        int numHiddenLayers,

        @Doc("The width inside the feed-forward part; in recipes 4 times hidden_size when absent.")
        @Default("3072")
        @Range(min = 1)
        int ffnDim,

        @Doc("The most positions.") @Default("2048") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("Norms before each part, not after it.") @Default("true")
        boolean doLayerNormBefore,

        @Doc("Leave out the norm after the last block.") @Default("false")
        boolean _removeFinalLayerNorm,

        @Doc("The width of the token embedding, projected to hidden_size and back; hidden_size when absent.")
        @Range(min = 1)
        Optional<Integer> wordEmbedProjDim,

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0.1")
        @Range(min = 0, max = 1, maxExclusive = true)
        double dropout,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("The number of attention heads; divides hidden_size.") @Default("12") @Range(min = 1)
        int numAttentionHeads,

        @Doc("The activation of the feed-forward part.") @Default("relu")
        String activationFunction,

        @Doc("The share of blocks that a training step leaves out.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double layerdrop,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initStd,

        @Doc("Biases in the maps of the blocks.") @Default("true")
        boolean enableBias,

        @Doc("Weights and biases in layer norms.") @Default("true")
        boolean layerNormElementwiseAffine,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId)
        implements ModelConfig {

    /** Positions are counted from this row of their table. */
    static final int POSITION_OFFSET = 2;

    /** Checks that the sizes fit together. */
    public Config {
        ModelConfig.checkActivation("activation_function", activationFunction);
        ConfigChecks.heads("num_attention_heads", numAttentionHeads, "hidden_size", hiddenSize);
        ConfigChecks.padding(padTokenId, vocabSize);
    }

    @Override
    public int width() {
        return hiddenSize;
    }

    @Override
    public int outputWidth() {
        return embeddingWidth();
    }

    @Override
    public int layers() {
        return numHiddenLayers;
    }

    @Override
    public int contextLength() {
        return maxPositionEmbeddings;
    }

    int embeddingWidth() {
        return wordEmbedProjDim.orElse(hiddenSize);
    }

    OptionalLong paddingRow() {
        return ConfigChecks.paddingRow(padTokenId, vocabSize);
    }
}
