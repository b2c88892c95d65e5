package quern.models.vqvae;

import quern.models.ModelConfig;
import quern.recipe.Default;
import quern.recipe.Doc;
import quern.recipe.Range;

/**
 * The settings of a VQ-VAE.
 *
 * @param imageSize pixels of an image's side
 * @param numChannels colours of a pixel
 * @param patchSize pixels of a patch's side; a patch becomes a code
 * @param hiddenSize width of the convolutions
 * @param numHiddenLayers residual blocks of the encoder, and of the decoder
 * @param numEmbeddings K, the codes there are
 * @param embeddingDim width of the codebook's vectors
 * @param commitmentCost β: what the encoder's distance to its codes counts in the loss
 * @param normalizeCodes whether vectors and codes are compared at length 1
 */
public record Config(
        @Doc("The pixels of an image's side.") @Default("32") @Range(min = 1, max = 1024)
        int imageSize,

        @Doc("The colours of a pixel.") @Default("3") @Range(min = 1)
        int numChannels,

        @Doc("The pixels of a patch's side; a patch becomes a code.") @Default("4") @Range(min = 1)
        int patchSize,

        @Doc("The width of the convolutions.") @Default("64") @Range(min = 1)
        int hiddenSize,

        @Doc("The number of residual blocks of the encoder, and of the decoder.") @Default("2") @Range(min = 0)
        int numHiddenLayers,

        @Doc("The number of codes.") @Default("256") @Range(min = 2)
        int numEmbeddings,

        @Doc("The width of the codebook's vectors.") @Default("8") @Range(min = 1)
        int embeddingDim,

        @Doc("What the encoder's distance to its codes counts in the loss.") @Default("0.25") @Range(min = 0)
        double commitmentCost,

        @Doc("Compare vectors and codes at length 1, which lets more codes find use.") @Default("true")
        boolean normalizeCodes)
        implements ModelConfig {
    /** Checks that patches fill an image. */
    public Config {
        if (imageSize % patchSize != 0) {
            throw new IllegalArgumentException(
                    "patch_size: patches of %d pixels don't fill an image's side of %d; choose a divisor of it"
                            .formatted(patchSize, imageSize));
        }
    }

    /** Patches of an image's side. */
    int grid() {
        return imageSize / patchSize;
    }

    /** {@inheritDoc} It reads no text, so any tokenizer will do. */
    @Override
    public int vocabSize() {
        return Integer.MAX_VALUE;
    }

    @Override
    public int width() {
        return hiddenSize;
    }

    @Override
    public int layers() {
        return numHiddenLayers;
    }

    /** {@inheritDoc} It reads no text, so a text may be as long as it likes. */
    @Override
    public int contextLength() {
        return Integer.MAX_VALUE;
    }
}
