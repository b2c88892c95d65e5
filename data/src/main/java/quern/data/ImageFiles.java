package quern.data;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;
import javax.imageio.stream.FileImageInputStream;
import javax.imageio.stream.ImageInputStream;
import quern.recipe.DurableFiles;

/** PNG and JPEG files as squares of pixels, and back. */
public final class ImageFiles {
    /** Colours of a pixel: red, green and blue. */
    private static final int CHANNELS = 3;

    private static final long MOST_BYTES = 256L << 20;
    private static final long MOST_PIXELS = 1L << 28;
    /** A larger image than this many times what is wanted is read with pixels left out. */
    private static final int ENOUGH = 8;

    private static final int WHITE = 255;

    private ImageFiles() {}

    /** An image that can't be read, with what is wrong in a few words. */
    public static final class Unreadable extends Exception {
        private static final long serialVersionUID = 1;

        Unreadable(String why) {
            super(why);
        }
    }

    /**
     * The middle square of an image, resized; what is transparent lies on white.
     *
     * @param side pixels of the result's side
     * @return a byte a value, colour by colour, row by row
     * @throws Unreadable for a file that is missing, damaged, of another kind, or too large: over 256 MB or 2^28 pixels
     */
    public static byte[] read(Path file, int side) throws Unreadable {
        BufferedImage image;
        try {
            if (Files.size(file) > MOST_BYTES) {
                throw new Unreadable("more than 256 MB");
            }
            image = decoded(file, side);
        } catch (IOException | RuntimeException e) {
            // Decoders throw whatever a damaged file leads them to.
            throw new Unreadable("damaged, or of a kind that can't be read");
        }
        return resized(image, side);
    }

    private static BufferedImage decoded(Path file, int side) throws IOException, Unreadable {
        try (ImageInputStream in = new FileImageInputStream(file.toFile())) {
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            ImageReader reader = readers.hasNext() ? readers.next() : null;
            if (reader == null || !isKnown(reader.getFormatName())) {
                throw new Unreadable("no PNG and no JPEG");
            }
            try {
                reader.setInput(in, true, true);
                long width = reader.getWidth(0);
                long height = reader.getHeight(0);
                if (width * height > MOST_PIXELS) {
                    throw new Unreadable("more than 2^28 pixels");
                }
                int step = (int) Math.max(1, Math.min(width, height) / ((long) ENOUGH * side));
                ImageReadParam param = reader.getDefaultReadParam();
                param.setSourceSubsampling(step, step, 0, 0);
                return reader.read(0, param);
            } finally {
                reader.dispose();
            }
        }
    }

    private static boolean isKnown(String format) {
        String name = format.toLowerCase(Locale.ROOT);
        return name.equals("png") || name.equals("jpeg") || name.equals("jpg");
    }

    /** Each value of the result is a mean of the source's around it, weighted by a triangle as wide as the step or a pixel. */
    private static byte[] resized(BufferedImage image, int side) {
        int square = Math.min(image.getWidth(), image.getHeight());
        int left = (image.getWidth() - square) / 2;
        int top = (image.getHeight() - square) / 2;
        double step = (double) square / side;
        int[] argb = image.getRGB(left, top, square, square, null, 0, square);
        // First along rows: [square, side] pixels of three values.
        float[] narrow = new float[square * side * CHANNELS];
        for (int x = 0; x < side; x++) {
            double[] weights = weights(x, step, square);
            int from = (int) weights[0];
            for (int y = 0; y < square; y++) {
                for (int c = 0; c < CHANNELS; c++) {
                    double sum = 0;
                    for (int i = 1; i < weights.length; i++) {
                        sum += weights[i] * onWhite(argb[y * square + from + i - 1], c);
                    }
                    narrow[(y * side + x) * CHANNELS + c] = (float) sum;
                }
            }
        }
        byte[] result = new byte[CHANNELS * side * side];
        for (int y = 0; y < side; y++) {
            double[] weights = weights(y, step, square);
            int from = (int) weights[0];
            for (int x = 0; x < side; x++) {
                for (int c = 0; c < CHANNELS; c++) {
                    double sum = 0;
                    for (int i = 1; i < weights.length; i++) {
                        sum += weights[i] * narrow[((from + i - 1) * side + x) * CHANNELS + c];
                    }
                    result[(c * side + y) * side + x] = (byte) Math.clamp(Math.round(sum), 0, WHITE);
                }
            }
        }
        return result;
    }

    /** The first pixel that counts for place {@code at}, and then what each from there on counts, 1 in all. */
    private static double[] weights(int at, double step, int size) {
        double middle = (at + 0.5) * step - 0.5;
        double reach = Math.max(1, step);
        int from = Math.max(0, (int) Math.ceil(middle - reach));
        int to = Math.min(size - 1, (int) Math.floor(middle + reach));
        double[] weights = new double[to - from + 2];
        double sum = 0;
        for (int i = from; i <= to; i++) {
            double weight = 1 - Math.abs(i - middle) / reach;
            weights[i - from + 1] = weight;
            sum += weight;
        }
        for (int i = 1; i < weights.length; i++) {
            weights[i] /= sum;
        }
        weights[0] = from;
        return weights;
    }

    private static double onWhite(int argb, int channel) {
        int alpha = argb >>> 24;
        int value = argb >> 8 * (CHANNELS - 1 - channel) & WHITE;
        return (value * alpha + WHITE * (WHITE - alpha)) / (double) WHITE;
    }

    /**
     * Writes an image as PNG.
     *
     * @param pixels in [-1, 1], cut to that, colour by colour, row by row
     */
    public static void writePng(Path file, float[] pixels, int side) {
        if (pixels.length != CHANNELS * side * side) {
            throw new IllegalArgumentException(pixels.length + " values are no image of side " + side);
        }
        BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < side; y++) {
            for (int x = 0; x < side; x++) {
                int rgb = 0;
                for (int c = 0; c < CHANNELS; c++) {
                    double unit = (pixels[(c * side + y) * side + x] + 1) / 2;
                    rgb = rgb << 8 | Math.clamp(Math.round(unit * WHITE), 0, WHITE);
                }
                image.setRGB(x, y, rgb);
            }
        }
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            ImageIO.write(image, "png", bytes);
            DurableFiles.write(file, bytes.toByteArray());
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }
}
