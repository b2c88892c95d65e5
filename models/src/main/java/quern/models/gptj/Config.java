package quern.models.gptj;

import java.util.Optional;
import quern.models.ConfigChecks;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/** GPT-J's settings with the names and defaults of transformers' {@code GPTJConfig}. */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The positions the model is made for.") @Default("2048") @Range(min = 1)
        int nPositions,

        @Doc("The width of the residual stream.") @Default("4096") @Range(min = 1)
        int nEmbd,

        @Doc("The number of blocks.") @Default("28") @Range(min = 1)
        int nLayer,

        @Doc("The number of attention heads; divides n_embd.") @Default("16") @Range(min = 1)
        int nHead,

        @Doc(
                "How many dimensions of a head turn with the position; even. In recipes at most 64 and no wider than a head.")
        @Default("64")
        @Range(min = 2)
        int rotaryDim,

        @Doc("The width inside the feed-forward part; 4 times n_embd when absent.") @Range(min = 1)
        Optional<Integer> nInner,

        @Doc("The activation of the feed-forward part.") @Default("gelu_new")
        String activationFunction,

        @Doc("Sets those of resid_pdrop, embd_pdrop and attn_pdrop that are not given.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double residPdrop,

        @Doc("Dropout after the embedding.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double embdPdrop,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attnPdrop,

        @Doc("Added to the variance in layer norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEpsilon,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Share the embedding's matrix with the head, which keeps a bias of its own.") @Default("false")
        boolean tieWordEmbeddings)
        implements ModelConfig {

    /** Checks that the sizes fit together. */
    public Config {
        ModelConfig.checkActivation("activation_function", activationFunction);
        ConfigChecks.heads("n_head", nHead, "n_embd", nEmbd);
        ConfigChecks.rotaryWidth("rotary_dim", rotaryDim, nEmbd / nHead);
    }

    @Override
    public int width() {
        return nEmbd;
    }

    @Override
    public int layers() {
        return nLayer;
    }

    @Override
    public int contextLength() {
        return nPositions;
    }

    int headWidth() {
        return nEmbd / nHead;
    }

    int innerWidth() {
        return nInner.orElse(4 * nEmbd);
    }
}
