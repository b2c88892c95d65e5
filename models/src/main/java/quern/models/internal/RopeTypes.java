package quern.models.internal;

import java.util.List;
import quern.models.RopeParameters;
import quern.nn.Positions;
import quern.tensor.Tensor;

/**
 * The rope types: how the inverse frequencies of a head's D/2 pairs of dimensions are stretched for contexts longer than
 * those of pre-training. Computed in fp32 step by step as transformers does, so that angles agree to the last bits.
 */
public final class RopeTypes {
    private RopeTypes() {}

    /** The frequencies for these parameters. */
    public static Positions.RotaryFrequencies of(RopeParameters p, int headWidth, int contextLength) {
        return switch (p.ropeType()) {
            case "linear" -> new Linear(headWidth, p.ropeTheta(), p.factor().orElseThrow());
            case "dynamic" -> new Dynamic(headWidth, p.ropeTheta(), p.factor().orElseThrow(), contextLength);
            case "yarn" -> new Yarn(headWidth, contextLength, p);
            case "longrope" -> new LongRope(headWidth, contextLength, p);
            case "llama3" -> new Llama3(headWidth, contextLength, p);
            default -> new Default(headWidth, p.ropeTheta());
        };
    }

    /** theta^(-2i/D), Su et al. 2021, arXiv:2104.09864. */
    record Default(int width, double theta) implements Positions.RotaryFrequencies {
        @Override
        public Tensor inverseFrequencies(long length) {
            return tensor(inverse(theta, width));
        }
    }

    /** All positions divided by the factor, Chen et al. 2023, arXiv:2306.15595. */
    record Linear(int width, double theta, double factor) implements Positions.RotaryFrequencies {
        @Override
        public Tensor inverseFrequencies(long length) {
            float[] f = inverse(theta, width);
            for (int i = 0; i < f.length; i++) {
                f[i] /= (float) factor;
            }
            return tensor(f);
        }
    }

    /**
     * A base that grows with the sequence once it is longer than the model's context ("dynamic NTK"). Every
     * longer text then has another base, so keys turned before serve no longer; transformers keeps them all the same.
     */
    record Dynamic(int width, double theta, double factor, int contextLength) implements Positions.RotaryFrequencies {
        @Override
        public Tensor inverseFrequencies(long length) {
            double n = Math.max(length, contextLength);
            double base = theta * Math.pow(factor * n / contextLength - (factor - 1), width / (width - 2.0));
            return tensor(inverse(base, width));
        }

        @Override
        public boolean keepsKeys(long before, long now) {
            return now <= contextLength || now == before;
        }
    }

    /**
     * YaRN, Peng et al. 2023, arXiv:2309.00071: dimensions that turn often within the original context are kept,
     * those that turn seldom are stretched, with a linear ramp between; cos and sin are scaled.
     */
    record Yarn(int width, int contextLength, RopeParameters p) implements Positions.RotaryFrequencies {
        @Override
        public Tensor inverseFrequencies(long length) {
            double theta = p.ropeTheta();
            int original = p.originalMaxPositionEmbeddings().orElse(contextLength);
            double low = dimension(p.betaFast().orElse(32.0), theta, original);
            double high = dimension(p.betaSlow().orElse(1.0), theta, original);
            if (p.truncate().orElse(true)) {
                low = Math.floor(low);
                high = Math.ceil(high);
            }
            low = Math.max(low, 0);
            high = Math.min(high, width - 1);
            if (low == high) {
                high += 0.001;
            }
            float factor = p.factor().orElseThrow().floatValue();
            float[] result = new float[width / 2];
            for (int i = 0; i < result.length; i++) {
                float power = power(theta, i, width);
                float ramp = Math.clamp((float) ((i - (float) low) / (high - low)), 0f, 1f);
                float kept = 1 - ramp;
                result[i] = 1 / (factor * power) * (1 - kept) + 1 / power * kept;
            }
            return tensor(result);
        }

        /** The dimension that makes this many rotations over the original context. */
        private double dimension(double rotations, double theta, int original) {
            return width * Math.log(original / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
        }

        @Override
        public double attentionScaling() {
            if (p.attentionFactor().isPresent()) {
                return p.attentionFactor().get();
            }
            double factor = p.factor().orElseThrow();
            double mscale = p.mscale().orElse(0.0);
            double all = p.mscaleAllDim().orElse(0.0);
            return mscale != 0 && all != 0 ? scale(factor, mscale) / scale(factor, all) : scale(factor, 1);
        }

        private static double scale(double factor, double mscale) {
            return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
        }
    }

    /** Llama 3.1's: short wavelengths kept, long ones stretched, those between blended (Dubey et al. 2024, arXiv:2407.21783). */
    record Llama3(int width, int contextLength, RopeParameters p) implements Positions.RotaryFrequencies {
        @Override
        public Tensor inverseFrequencies(long length) {
            float factor = p.factor().orElseThrow().floatValue();
            double low = p.lowFreqFactor().orElseThrow();
            double high = p.highFreqFactor().orElseThrow();
            double original = p.originalMaxPositionEmbeddings().orElse(contextLength);
            float[] f = inverse(p.ropeTheta(), width);
            for (int i = 0; i < f.length; i++) {
                float wavelength = (float) (2 * Math.PI) / f[i];
                if (wavelength > original / low) {
                    f[i] /= factor;
                } else if (wavelength >= original / high) {
                    float smooth = (float) ((original / wavelength - low) / (high - low));
                    f[i] = (1 - smooth) * f[i] / factor + smooth * f[i];
                }
            }
            return tensor(f);
        }
    }

    /**
     * LongRoPE, Ding et al. 2024, arXiv:2402.13753: each frequency is divided by a factor of its own, one for texts within
     * the original context and one for longer texts.
     */
    record LongRope(int width, int contextLength, RopeParameters p) implements Positions.RotaryFrequencies {
        private int original() {
            return p.originalMaxPositionEmbeddings().orElse(contextLength);
        }

        @Override
        public Tensor inverseFrequencies(long length) {
            List<Double> factors = (length > original() ? p.longFactor() : p.shortFactor()).orElseThrow();
            float[] f = new float[width / 2];
            for (int i = 0; i < f.length; i++) {
                f[i] = 1 / (factors.get(i).floatValue() * power(p.ropeTheta(), i, width));
            }
            return tensor(f);
        }

        @Override
        public double attentionScaling() {
            if (p.attentionFactor().isPresent()) {
                return p.attentionFactor().get();
            }
            double factor = p.factor().orElse((double) contextLength / original());
            return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original()));
        }

        @Override
        public boolean keepsKeys(long before, long now) {
            return before > original() == now > original();
        }
    }

    private static float power(double theta, int i, int width) {
        return (float) Math.pow(theta, (float) (2 * i) / width);
    }

    /** An odd width has a frequency more than pairs: one dimension beyond it turns too, as in transformers. */
    private static float[] inverse(double theta, int width) {
        float[] f = new float[Math.ceilDiv(width, 2)];
        for (int i = 0; i < f.length; i++) {
            f[i] = 1 / power(theta, i, width);
        }
        return f;
    }

    private static Tensor tensor(float[] values) {
        return Tensor.of(values, values.length);
    }
}
