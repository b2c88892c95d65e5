package quern.data.corpus.internal;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/**
 * Logistic regression over hashed n-grams, learned by FTRL-Proximal (McMahan et al. 2013, "Ad Click Prediction: a View
 * from the Trenches", algorithm 1, per-coordinate rates). One thread and a fixed order make it the same bit for bit.
 */
public final class LinearClassifier {
    private static final int MAGIC = 0x51514331;
    private static final double BETA = 1;
    private static final double BIAS_RATE = 0.1;

    private final int longest;
    private final int bits;
    private final float[] weights;
    private final double bias;
    private final String trainedOn;

    private LinearClassifier(int longest, int bits, float[] weights, double bias, String trainedOn) {
        this.longest = longest;
        this.bits = bits;
        this.weights = weights;
        this.bias = bias;
        this.trainedOn = trainedOn;
    }

    /**
     * How it learns.
     *
     * @param longest words in an n-gram at most
     * @param bits of a bucket's number
     * @param epochs passes over the examples
     * @param alpha the rate
     * @param l1 penalty on sums of absolute weights
     * @param l2 penalty on sums of squares
     */
    public record Training(int longest, int bits, int epochs, double alpha, double l1, double l2) {}

    /** What tells the trained one's examples and settings. */
    public String trainedOn() {
        return trainedOn;
    }

    /** Learns to tell good texts from bad ones, which take turns; both classes weigh the same. */
    public static LinearClassifier train(List<String> good, List<String> bad, Training training, String trainedOn) {
        int size = 1 << training.bits();
        double[] z = new double[size];
        double[] n = new double[size];
        double bias = 0;
        double goodWeight = (double) (good.size() + bad.size()) / (2.0 * good.size());
        double badWeight = (double) (good.size() + bad.size()) / (2.0 * bad.size());
        int most = Math.max(good.size(), bad.size());
        for (int epoch = 0; epoch < training.epochs(); epoch++) {
            // Both lists are walked at such paces that they end together, so that neither class comes last.
            int goodDone = 0;
            int badDone = 0;
            for (int step = 1; step <= most; step++) {
                while ((long) goodDone * most < (long) step * good.size()) {
                    HashedText x = HashedText.of(good.get(goodDone++), training.longest(), training.bits());
                    bias -= BIAS_RATE * update(x, 1, goodWeight, bias, z, n, training);
                }
                while ((long) badDone * most < (long) step * bad.size()) {
                    HashedText x = HashedText.of(bad.get(badDone++), training.longest(), training.bits());
                    bias -= BIAS_RATE * update(x, 0, badWeight, bias, z, n, training);
                }
            }
        }
        float[] weights = new float[size];
        for (int i = 0; i < size; i++) {
            weights[i] = (float) weight(z[i], n[i], training);
        }
        return new LinearClassifier(training.longest(), training.bits(), weights, bias, trainedOn);
    }

    private static double weight(double z, double n, Training t) {
        if (Math.abs(z) <= t.l1()) {
            return 0;
        }
        return -(z - Math.signum(z) * t.l1()) / ((BETA + Math.sqrt(n)) / t.alpha() + t.l2());
    }

    /** One step; gives the gradient of the logarithmic loss by the score. */
    private static double update(
            HashedText x, int label, double importance, double bias, double[] z, double[] n, Training t) {
        double score = bias;
        double[] w = new double[x.buckets.length];
        for (int i = 0; i < w.length; i++) {
            w[i] = weight(z[x.buckets[i]], n[x.buckets[i]], t);
            score += w[i] * x.values[i];
        }
        double error = importance * (1 / (1 + StrictMath.exp(-score)) - label);
        for (int i = 0; i < w.length; i++) {
            int bucket = x.buckets[i];
            double gradient = error * x.values[i];
            double sigma = (Math.sqrt(n[bucket] + gradient * gradient) - Math.sqrt(n[bucket])) / t.alpha();
            z[bucket] += gradient - sigma * w[i];
            n[bucket] += gradient * gradient;
        }
        return error;
    }

    /** How likely the text is good, in (0, 1). */
    public double probability(String text) {
        HashedText x = HashedText.of(text, longest, bits);
        double score = bias;
        for (int i = 0; i < x.buckets.length; i++) {
            score += weights[x.buckets[i]] * x.values[i];
        }
        return 1 / (1 + StrictMath.exp(-score));
    }

    /** Writes it: a head, the weights that are not 0, a checksum. */
    public void save(Path file) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeInt(MAGIC);
            out.writeInt(longest);
            out.writeInt(bits);
            out.writeDouble(bias);
            out.writeUTF(trainedOn);
            int used = 0;
            for (float weight : weights) {
                used += weight != 0 ? 1 : 0;
            }
            out.writeInt(used);
            for (int i = 0; i < weights.length; i++) {
                if (weights[i] != 0) {
                    out.writeInt(i);
                    out.writeFloat(weights[i]);
                }
            }
            CRC32 sum = new CRC32();
            sum.update(bytes.toByteArray());
            out.writeLong(sum.getValue());
        } catch (IOException e) {
            throw new IllegalStateException("memory takes every byte", e);
        }
        try {
            Path folder = file.toAbsolutePath().getParent();
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
        DurableFiles.write(file, bytes.toByteArray());
    }

    /** Reads what {@link #save} wrote. */
    public static LinearClassifier load(Path file) {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.BAD_INPUT,
                    "%s: the classifier can not be read; train it with good and bad examples".formatted(file),
                    e);
        }
        if (bytes.length > Long.BYTES) {
            CRC32 sum = new CRC32();
            sum.update(bytes, 0, bytes.length - Long.BYTES);
            try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
                if (in.readInt() == MAGIC
                        && java.nio.ByteBuffer.wrap(bytes).getLong(bytes.length - Long.BYTES) == sum.getValue()) {
                    int longest = in.readInt();
                    int bits = in.readInt();
                    double bias = in.readDouble();
                    String trainedOn = in.readUTF();
                    float[] weights = new float[1 << bits];
                    int used = in.readInt();
                    for (int i = 0; i < used; i++) {
                        int bucket = in.readInt();
                        weights[bucket] = in.readFloat();
                    }
                    return new LinearClassifier(longest, bits, weights, bias, trainedOn);
                }
            } catch (IOException e) {
                throw corrupt(file, e);
            }
        }
        throw corrupt(file, null);
    }

    private static QuernException corrupt(Path file, Exception cause) {
        return new QuernException(
                ExitCode.FAILED,
                "%s: not a classifier of quern, or a damaged one; name another file, or train it again".formatted(file),
                cause);
    }
}
