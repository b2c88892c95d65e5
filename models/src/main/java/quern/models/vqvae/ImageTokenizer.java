package quern.models.vqvae;

import java.nio.file.Path;
import java.util.Arrays;
import quern.models.LanguageModel;
import quern.models.ModelSpec;
import quern.nn.Flow;
import quern.nn.Network;
import quern.nn.Pass;
import quern.nn.VectorQuantizer;
import quern.recipe.QuernException;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Scope;
import quern.tensor.Tensor;

/** The VQ-VAE of a folder: images as codes, row by row, and codes as images. In fp32 on the CPU. */
public final class ImageTokenizer implements AutoCloseable {
    /** Images that go through the model at once; what becomes of one doesn't hang on the others. */
    private static final int AT_ONCE = 64;

    private static final int QUANTIZER = 1;
    private static final int DECODER = 2;

    private final LanguageModel model;
    private final Settings settings;

    /**
     * What a folder says of its images.
     *
     * @param imageSize pixels of an image's side
     * @param channels colours of a pixel
     * @param codes how many codes there are
     * @param codesPerImage how many an image has
     */
    public record Settings(int imageSize, int channels, int codes, int codesPerImage) {
        /** Values of an image. */
        public int values() {
            return channels * imageSize * imageSize;
        }
    }

    private ImageTokenizer(LanguageModel model, Settings settings) {
        this.model = model;
        this.settings = settings;
    }

    /**
     * Reads what a folder says, without its weights.
     *
     * @throws QuernException for a folder that is missing or holds another model
     */
    public static Settings settings(Path folder) {
        ModelSpec spec = ModelSpec.read(folder);
        if (!(spec.config() instanceof Config c)) {
            throw QuernException.badInput(
                    "%s: holds a model of family %s; expected a vqvae, as objective: vq_image trains one",
                    folder, spec.family().id());
        }
        return new Settings(c.imageSize(), c.numChannels(), c.numEmbeddings(), c.grid() * c.grid());
    }

    /** Loads a folder. */
    public static ImageTokenizer load(Path folder) {
        Settings settings = settings(folder);
        return new ImageTokenizer(LanguageModel.load(folder, DType.FP32, Device.CPU), settings);
    }

    /** What the folder says. */
    public Settings settings() {
        return settings;
    }

    /**
     * The codes of images, one image behind the other.
     *
     * @param pixels in [-1, 1], image by image, colour by colour, row by row
     */
    public int[] encode(float[] pixels) {
        int images = count(pixels.length, settings.values());
        int[] codes = new int[images * settings.codesPerImage()];
        Network encoder = model.network().part(0, QUANTIZER + 1);
        for (int from = 0; from < images; from += AT_ONCE) {
            int n = Math.min(AT_ONCE, images - from);
            try (Scope scope = Scope.open()) {
                Tensor x = Tensor.of(
                        Arrays.copyOfRange(pixels, from * settings.values(), (from + n) * settings.values()),
                        n,
                        settings.channels(),
                        settings.imageSize(),
                        settings.imageSize());
                long[] found = encoder.infer(new Flow().put("pixel_values", x), Pass.evaluation())
                        .get("codes")
                        .toLongs();
                for (int i = 0; i < found.length; i++) {
                    codes[from * settings.codesPerImage() + i] = (int) found[i];
                }
            }
        }
        return codes;
    }

    /** The images of codes, as {@link #encode} takes them; values may lie a little beyond [-1, 1]. */
    public float[] decode(int[] codes) {
        int images = count(codes.length, settings.codesPerImage());
        for (int code : codes) {
            if (code < 0 || code >= settings.codes()) {
                throw new IllegalArgumentException("code " + code + " is none of " + settings.codes());
            }
        }
        float[] pixels = new float[images * settings.values()];
        VectorQuantizer quantizer = (VectorQuantizer) model.network().visits().get(QUANTIZER);
        Network decoder = model.network().part(DECODER, DECODER + 1);
        for (int from = 0; from < images; from += AT_ONCE) {
            int n = Math.min(AT_ONCE, images - from);
            int per = settings.codesPerImage();
            try (Scope scope = Scope.open()) {
                Pass pass = Pass.evaluation();
                Tensor some = Tensor.of(Arrays.copyOfRange(codes, from * per, (from + n) * per), n, per)
                        .to(DType.INT64);
                float[] made = decoder.infer(new Flow().put("quantized", quantizer.lookup(some, pass)), pass)
                        .get("reconstruction")
                        .toFloats();
                System.arraycopy(made, 0, pixels, from * settings.values(), made.length);
            }
        }
        return pixels;
    }

    private static int count(int length, int each) {
        if (length % each != 0) {
            throw new IllegalArgumentException(length + " values don't make images of " + each);
        }
        return length / each;
    }

    @Override
    public void close() {
        model.close();
    }
}
