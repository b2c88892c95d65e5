package quern.models.phi;

import java.util.Optional;
import java.util.OptionalLong;
import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.models.RopeParameters;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** Phi's settings with the names and defaults of transformers' {@code PhiConfig}; sizes have no defaults. */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int hiddenSize,

        @Doc("The width inside the feed-forward part; in recipes 4 times hidden_size when absent.") @Range(min = 1)
        int intermediateSize,

        @Doc("The number of blocks.") @Range(min = 1) int numHiddenLayers,
        @Doc("The number of query heads.") @Range(min = 1) int numAttentionHeads,

        @Doc("The number of key and value heads; divides num_attention_heads, and equals it when absent.")
        @Range(min = 1)
        Optional<Integer> numKeyValueHeads,

        @Doc("The width of a head; hidden_size / num_attention_heads when absent.") @Range(min = 2)
        Optional<Integer> headDim,

        @Doc("Sets those of resid_pdrop, embd_pdrop and attention_dropout that are not given.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double residPdrop,

        @Doc("Dropout after the embedding.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double embdPdrop,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("The activation of the feed-forward part.") @Default("gelu_new")
        String hiddenAct,

        @Doc("The positions the model is made for.") @Default("2048") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Added to the variance in layer norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEps,

        @Doc("Share the embedding's matrix with the head, which keeps a bias of its own.") @Default("false")
        boolean tieWordEmbeddings,

        @Doc("The rotary positions; half of each head turns unless partial_rotary_factor says otherwise.")
        @Default("{partial_rotary_factor: 0.5}")
        RopeParameters ropeParameters,

        @Doc("Layer norms on the heads of queries and keys.") @Default("false")
        boolean qkLayernorm,

        @Doc("The padding token, whose embedding is not trained as an input.")
        Optional<Integer> padTokenId)
        implements ModelConfig {

    /** Checks that the sizes fit together. */
    public Config {
        ModelConfig.checkActivation("hidden_act", hiddenAct);
        if (headDim.isEmpty() || qkLayernorm) {
            ConfigChecks.heads("num_attention_heads", numAttentionHeads, "hidden_size", hiddenSize);
        }
        ConfigChecks.keyValueHeads(
                "num_key_value_heads",
                numKeyValueHeads.orElse(numAttentionHeads),
                "num_attention_heads",
                numAttentionHeads);
        int head = headDim.orElse(hiddenSize / numAttentionHeads);
        if (qkLayernorm && head != hiddenSize / numAttentionHeads) {
            throw new IllegalArgumentException(
                    "head_dim: %d, but with qk_layernorm heads are hidden_size / num_attention_heads = %d wide"
                            .formatted(head, hiddenSize / numAttentionHeads));
        }
        ConfigChecks.rotaryWidth("rope_parameters", ropeParameters.rotaryWidth(head), head);
        ConfigChecks.padding(padTokenId, vocabSize);
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
        return ConfigChecks.paddingRow(padTokenId, vocabSize);
    }
}
