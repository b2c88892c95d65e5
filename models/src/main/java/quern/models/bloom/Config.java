package quern.models.bloom;

import java.util.Optional;
import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** BLOOM's settings with the names and defaults of transformers' {@code BloomConfig}. */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The width of the residual stream.") @Default("64") @Range(min = 1)
        int hiddenSize,

        @Doc("The number of blocks.") @Default("2") @Range(min = 1)
        int nLayer,

        @Doc("The number of attention heads; divides hidden_size.") @Default("8") @Range(min = 1)
        int nHead,

        @Doc("The positions the model is made for; nothing but this limits them.") @Default("2048") @Range(min = 1)
        int seqLength,

        @Doc("Added to the variance in layer norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEpsilon,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("The residual stream goes on from what a norm gives, not from what it takes.") @Default("false")
        boolean applyResidualConnectionPostLayernorm,

        @Doc("Sets those of hidden_dropout and attention_dropout that are not given.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double hiddenDropout,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("The number of devices that the matrices were split over in training; changes nothing here.")
        @Default("1")
        @Range(min = 1)
        int pretrainingTp,

        @Doc("Sums in the order of those devices; must be false when pretraining_tp is above 1.") @Default("false")
        boolean slowButExact,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings)
        implements ModelConfig {

    /** Checks that the sizes fit together. */
    public Config {
        ConfigChecks.heads("n_head", nHead, "hidden_size", hiddenSize);
        if (slowButExact && pretrainingTp > 1) {
            throw new IllegalArgumentException(
                    "slow_but_exact: true with pretraining_tp %d leaves out biases of the model; set it to false"
                            .formatted(pretrainingTp));
        }
    }

    @Override
    public int width() {
        return hiddenSize;
    }

    @Override
    public int layers() {
        return nLayer;
    }

    @Override
    public int contextLength() {
        return seqLength;
    }

    int headWidth() {
        return hiddenSize / nHead;
    }
}
