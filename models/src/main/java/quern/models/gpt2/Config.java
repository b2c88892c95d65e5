package quern.models.gpt2;

import java.util.Optional;
import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * GPT-2's settings with the names and defaults of transformers' {@code GPT2Config}.
 *
 * @param vocabSize tokens known
 * @param nPositions the most positions
 * @param nEmbd width of the residual stream
 * @param nLayer blocks
 * @param nHead attention heads; divides the width
 * @param nInner width inside the feed-forward part; 4 times the residual stream's when absent
 * @param activationFunction activation of the feed-forward part
 * @param dropout recipes only: what those of the three rates below are that are not given
 * @param residPdrop dropout on what each part adds to the residual stream
 * @param embdPdrop dropout after the embeddings
 * @param attnPdrop dropout on attention patterns
 * @param layerNormEpsilon added to the variance
 * @param initializerRange standard deviation of new weights; that of the two projections onto the residual stream is
 *     divided by the square root of twice the number of blocks
 * @param scaleAttnWeights divide scores by the square root of the head width
 * @param scaleAttnByInverseLayerIdx divide them by the block's number too, counted from 1
 * @param addCrossAttention whether blocks attend to an encoder; not known here
 * @param tieWordEmbeddings the head shares the token embedding's matrix
 */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The most positions.") @Default("1024") @Range(min = 1)
        int nPositions,

        @Doc("The width of the residual stream.") @Default("768") @Range(min = 1)
        int nEmbd,

        @Doc("The number of blocks.") @Default("12") @Range(min = 1)
        int nLayer,

        @Doc("The number of attention heads; divides n_embd.") @Default("12") @Range(min = 1)
        int nHead,

        @Doc("The width inside the feed-forward part; 4 times n_embd when absent.") @Range(min = 1)
        Optional<Integer> nInner,

        @Doc("The activation of the feed-forward part.") @Default("gelu_new")
        String activationFunction,

        @Doc("Sets those of resid_pdrop, embd_pdrop and attn_pdrop that are not given.")
        @Range(min = 0, max = 1, maxExclusive = true)
        Optional<Double> dropout,

        @Doc("Dropout on what each part adds to the residual stream.")
        @Default("0.1")
        @Range(min = 0, max = 1, maxExclusive = true)
        double residPdrop,

        @Doc("Dropout after the embeddings.") @Default("0.1") @Range(min = 0, max = 1, maxExclusive = true)
        double embdPdrop,

        @Doc("Dropout on attention patterns.") @Default("0.1") @Range(min = 0, max = 1, maxExclusive = true)
        double attnPdrop,

        @Doc("Added to the variance in layer norms.") @Default("1e-5") @Range(min = 0, minExclusive = true)
        double layerNormEpsilon,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initializerRange,

        @Doc("Divide attention scores by the square root of the head width.") @Default("true")
        boolean scaleAttnWeights,

        @Doc("Divide attention scores by the block's number, from 1.") @Default("false")
        boolean scaleAttnByInverseLayerIdx,

        @Doc("Attention to an encoder; must be false.") @Default("false")
        boolean addCrossAttention,

        @Doc("Share the embedding's matrix with the head.") @Default("true")
        boolean tieWordEmbeddings)
        implements ModelConfig {

    /** Checks that the sizes fit together. */
    public Config {
        ModelConfig.checkActivation("activation_function", activationFunction);
        if (nEmbd % nHead != 0) {
            throw new IllegalArgumentException(
                    "n_head: %d heads don't divide n_embd %d; choose a divisor".formatted(nHead, nEmbd));
        }
        if (addCrossAttention) {
            throw new IllegalArgumentException("add_cross_attention: true; only models without an encoder are known");
        }
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

    int innerWidth() {
        return nInner.orElse(4 * nEmbd);
    }

    /** The factor on the scores of block {@code layer}, counted from 0. */
    double attentionScale(int layer) {
        double scale = scaleAttnWeights ? 1 / Math.sqrt(nEmbd / (double) nHead) : 1;
        return scaleAttnByInverseLayerIdx ? scale / (layer + 1) : scale;
    }
}
