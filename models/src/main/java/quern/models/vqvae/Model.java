package quern.models.vqvae;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import quern.models.Architectures;
import quern.models.CheckpointKeys;
import quern.models.HeadSettings;
import quern.models.Initialization;
import quern.models.ModelFamily;
import quern.models.Task;
import quern.models.Weights;
import quern.nn.Convolution;
import quern.nn.ConvolutionBlock;
import quern.nn.ImageDecoder;
import quern.nn.ImageEncoder;
import quern.nn.ReconstructionHead;
import quern.nn.Segment;
import quern.nn.VectorQuantizer;

/**
 * VQ-VAE (van den Oord et al. 2017, arXiv:1711.00937): an image is a grid of codes, numbers of vectors in a learned codebook, from
 * which it is made again. {@link ImageTokenizer} does both with a saved folder. The codebook is learned by the gradient of the
 * paper's equation 3.
 *
 * <p>Deviations: patches come from one convolution, whose stride is its kernel's side, and go back by a 1x1 convolution, where the
 * paper has strided and transposed ones; losses are means over values, so that β doesn't hang on an image's size; codes are
 * compared at length 1 unless {@code normalize_codes} is off.
 */
public final class Model implements ModelFamily<Config> {
    private static final int KERNEL = 3;

    @Override
    public String id() {
        return "vqvae";
    }

    @Override
    public String summary() {
        return "VQ-VAE: images as codes of a learned codebook, and back";
    }

    @Override
    public Class<Config> config() {
        return Config.class;
    }

    @Override
    public Architectures architectures() {
        return Architectures.of("VqVae", Task.IMAGE_TOKENS);
    }

    /** {@inheritDoc} It has no vocabulary. */
    @Override
    public void completeRecipe(Map<String, Object> settings) {
        settings.remove("vocab_size");
    }

    @Override
    public CheckpointKeys keys() {
        return new HfKeys();
    }

    @Override
    public List<Segment> body(Config c, Weights w, Task task) {
        int patch = c.patchSize();
        int values = c.numChannels() * patch * patch;
        return List.of(
                new ImageEncoder(
                        "encoder",
                        c.imageSize(),
                        convolution(w, "encoder.patches", c.numChannels(), c.hiddenSize(), patch, patch, 0),
                        blocks(c, w, "encoder"),
                        convolution(w, "encoder.output", c.hiddenSize(), c.embeddingDim(), 1, 1, 0)),
                new VectorQuantizer(
                        "quantizer",
                        w.parameter(
                                "quantizer.codebook",
                                Initialization.normal(1 / Math.sqrt(c.embeddingDim())),
                                c.numEmbeddings(),
                                c.embeddingDim()),
                        c.normalizeCodes()),
                new ImageDecoder(
                        "decoder",
                        c.numChannels(),
                        patch,
                        convolution(w, "decoder.input", c.embeddingDim(), c.hiddenSize(), KERNEL, 1, KERNEL / 2),
                        blocks(c, w, "decoder"),
                        convolution(w, "decoder.patches", c.hiddenSize(), values, 1, 1, 0)));
    }

    @Override
    public List<Segment> head(Config c, Weights w, HeadSettings settings) {
        return List.of(new ReconstructionHead("reconstruction", c.commitmentCost()));
    }

    private static List<ConvolutionBlock> blocks(Config c, Weights w, String part) {
        int d = c.hiddenSize();
        return IntStream.range(0, c.numHiddenLayers())
                .mapToObj(i -> new ConvolutionBlock(
                        convolution(w, "%s.blocks.%d.inner".formatted(part, i), d, d, KERNEL, 1, KERNEL / 2),
                        convolution(w, "%s.blocks.%d.outer".formatted(part, i), d, d, 1, 1, 0)))
                .toList();
    }

    /** With weights of a variance that keeps that of what they read. */
    private static Convolution convolution(
            Weights w, String name, int in, int out, int kernel, int stride, int padding) {
        return new Convolution(
                w.parameter(
                        name + ".weight",
                        Initialization.normal(1 / Math.sqrt((double) in * kernel * kernel)),
                        out,
                        in,
                        kernel,
                        kernel),
                w.parameter(name + ".bias", Initialization.ZEROS, out),
                stride,
                padding);
    }
}
