package quern.models.bart;

import quern.models.internal.EncoderDecoderSettings;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * BART's settings with the names and defaults of transformers' {@code BartConfig}, except that the sizes have no defaults.
 *
 * @param vocabSize tokens known
 * @param maxPositionEmbeddings positions the model is made for, in the source and in what it writes
 * @param dModel width of the residual stream
 * @param encoderLayers blocks of the encoder
 * @param encoderFfnDim width inside the encoder's feed-forward parts; recipes may leave it out
 * @param encoderAttentionHeads heads of the encoder
 * @param decoderLayers blocks of the decoder
 * @param decoderFfnDim width inside the decoder's feed-forward parts; recipes may leave it out
 * @param decoderAttentionHeads heads of the decoder, in attention to the source too
 * @param encoderLayerdrop share of encoder blocks left out of a training pass
 * @param decoderLayerdrop share of decoder blocks left out of a training pass
 * @param activationFunction activation of the feed-forward parts
 * @param dropout dropout after the embeddings and on what each part adds to the residual stream
 * @param attentionDropout dropout on attention patterns
 * @param activationDropout dropout inside the feed-forward parts
 * @param initStd standard deviation of new weights
 * @param scaleEmbedding multiply token vectors by √d_model
 * @param tieWordEmbeddings one matrix serves both embeddings and the output
 * @param padTokenId the padding token, whose embedding starts at 0 and is never trained as an input
 * @param decoderStartTokenId the first token that the decoder reads
 */
public record Config(
        @Doc("The number of tokens; the tokenizer's when absent.") @Range(min = 1)
        int vocabSize,

        @Doc("The positions the model is made for.") @Default("1024") @Range(min = 1)
        int maxPositionEmbeddings,

        @Doc("The width of the residual stream.") @Range(min = 1)
        int dModel,

        @Doc("The number of blocks of the encoder.") @Range(min = 1)
        int encoderLayers,

        @Doc("The width inside the encoder's feed-forward parts; in recipes 4 times d_model when absent.")
        @Range(min = 1)
        int encoderFfnDim,

        @Doc("The number of heads of the encoder.") @Range(min = 1)
        int encoderAttentionHeads,

        @Doc("The number of blocks of the decoder.") @Range(min = 1)
        int decoderLayers,

        @Doc("The width inside the decoder's feed-forward parts; in recipes 4 times d_model when absent.")
        @Range(min = 1)
        int decoderFfnDim,

        @Doc("The number of heads of the decoder.") @Range(min = 1)
        int decoderAttentionHeads,

        @Doc("The share of encoder blocks left out of a training pass.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double encoderLayerdrop,

        @Doc("The share of decoder blocks left out of a training pass.")
        @Default("0")
        @Range(min = 0, max = 1, maxExclusive = true)
        double decoderLayerdrop,

        @Doc("The activation of the feed-forward parts.") @Default("gelu")
        String activationFunction,

        @Doc("Dropout after the embeddings and on what each part adds to the residual stream.")
        @Default("0.1")
        @Range(min = 0, max = 1, maxExclusive = true)
        double dropout,

        @Doc("Dropout on attention patterns.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double attentionDropout,

        @Doc("Dropout inside the feed-forward parts.") @Default("0") @Range(min = 0, max = 1, maxExclusive = true)
        double activationDropout,

        @Doc("The standard deviation of new weights.") @Default("0.02") @Range(min = 0)
        double initStd,

        @Doc("Multiply token vectors by the square root of d_model.") @Default("false")
        boolean scaleEmbedding,

        @Doc("One matrix serves both embeddings and the output.") @Default("true")
        boolean tieWordEmbeddings,

        @Doc("The padding token, whose embedding is not trained as an input.") @Default("1") @Range(min = 0)
        int padTokenId,

        @Doc("The first token that the decoder reads.") @Default("2") @Range(min = 0)
        int decoderStartTokenId)
        implements EncoderDecoderSettings {

    /** Checks that the values fit together. */
    public Config {
        EncoderDecoderSettings.checkHeads("encoder_attention_heads", encoderAttentionHeads, dModel);
        EncoderDecoderSettings.checkHeads("decoder_attention_heads", decoderAttentionHeads, dModel);
        EncoderDecoderSettings.checkToken("pad_token_id", padTokenId, vocabSize);
        EncoderDecoderSettings.checkToken("decoder_start_token_id", decoderStartTokenId, vocabSize);
        EncoderDecoderSettings.checkActivation("activation_function", activationFunction);
    }
}
