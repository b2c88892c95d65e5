package quern.nn;

import java.util.OptionalInt;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/**
 * Which keys a query may see, as an additive mask: 0 where it may, -inf where it may not, and the biases of
 * {@link Alibi} where there are some. T queries, S keys: those a layer's cache still holds and the T new ones.
 *
 * @param ahead whether a query sees later keys too
 * @param reach how far apart query and key may be at most; {@code 0} sees only itself
 * @param alibi biases by distance; {@code null} for none
 */
public record Mask(boolean ahead, OptionalInt reach, Alibi alibi) {
    /**
     * Attention with linear biases (Press et al. 2022, arXiv:2108.12409): factor · slope · position of the key, a slope a
     * head.
     *
     * @param roundedToBf16 whether slope · position is rounded to bf16, as Falcon was trained
     */
    public record Alibi(float[] slopes, boolean roundedToBf16, double factor) {
        /** The paper's slopes: a geometric series for a power of 2 of heads, and between two powers every other one of the next. */
        public static Alibi of(int heads) {
            int power = Integer.highestOneBit(heads);
            float[] slopes = new float[heads];
            for (int i = 0; i < heads; i++) {
                slopes[i] = i < power ? slope(power, i + 1) : slope(2 * power, 2 * (i - power) + 1);
            }
            return new Alibi(slopes, false, 1);
        }

        private static float slope(int heads, int exponent) {
            return (float) Math.pow((float) Math.pow(2, -8.0 / heads), exponent);
        }

        /** The same, slope · position rounded to bf16 and then multiplied. */
        public Alibi roundedAndMultipliedBy(double factor) {
            return new Alibi(slopes, true, factor);
        }

        /** [B or 1, H, 1, S] for keys at these positions, int64 [B, S] or [S]. */
        Tensor biases(Tensor positions, DType dtype) {
            Tensor slopes_H11 = Tensor.of(slopes, slopes.length, 1, 1).to(positions.device());
            Tensor positions_B11S = positions
                    .to(DType.FP32)
                    .view(positions.dim() == 1 ? 1 : positions.size(0), 1, 1, positions.size(-1));
            Tensor biases = roundedToBf16
                    ? slopes_H11.to(DType.BF16).mul(positions_B11S.to(DType.BF16))
                    : slopes_H11.mul(positions_B11S);
            return factor == 1
                    ? biases.to(dtype)
                    : biases.to(DType.FP32).mul(factor).to(dtype);
        }
    }

    /** Every key up to the query itself. */
    public static Mask causal() {
        return new Mask(false, OptionalInt.empty(), null);
    }

    /** The {@code window} newest keys, the query's own among them. */
    public static Mask slidingWindow(int window) {
        if (window < 1) {
            throw new IllegalArgumentException("a window of " + window + " keys; at least 1 is needed");
        }
        return new Mask(false, OptionalInt.of(window - 1), null);
    }

    /** Every key. */
    public static Mask bidirectional() {
        return new Mask(true, OptionalInt.empty(), null);
    }

    /** Keys at most {@code reach} positions before or after the query. */
    public static Mask bidirectional(int reach) {
        return new Mask(true, OptionalInt.of(reach), null);
    }

    /** The same with biases. */
    public Mask with(Alibi biases) {
        return new Mask(ahead, reach, biases);
    }

    /** How many of {@code past} cached keys a query may still see: what a layer's cache must hold. */
    long kept(long past) {
        return !ahead && reach.isPresent() ? Math.min(past, reach.getAsInt()) : past;
    }

    /**
     * The mask [T, S], or [B, 1, T, S] with padding, or [B or 1, H, T, S] with biases.
     *
     * @param t queries
     * @param past positions before the first query
     * @param padding_BS int64 [B, past + T], 0 = hidden; {@code null} when nothing is. A query that would see nothing
     *     sees everything, so that its row stays finite
     */
    Tensor of(long t, long past, Tensor padding_BS, DType dtype, Device device) {
        long kept = kept(past);
        Tensor mask = Tensor.full(ahead ? 0 : Double.NEGATIVE_INFINITY, dtype, device, t, kept + t);
        if (!ahead) {
            mask = mask.triu(kept + 1);
        }
        if (reach.isPresent()) {
            Tensor far = Tensor.full(Double.NEGATIVE_INFINITY, dtype, device, t, kept + t);
            mask = mask.add(far.tril(kept - reach.getAsInt() - 1));
            if (ahead) {
                mask = mask.add(far.triu(kept + reach.getAsInt() + 1));
            }
        }
        if (padding_BS != null) {
            mask = Attention.paddedMask(padding_BS.narrow(1, past - kept, kept + t), mask);
        }
        if (alibi == null) {
            return mask;
        }
        Tensor positions = padding_BS == null
                ? Tensor.arange(past + t, DType.INT64, device)
                : padding_BS.cumsum(-1).sub(1).mul(padding_BS);
        return mask.add(alibi.biases(positions.narrow(-1, past - kept, kept + t), dtype));
    }
}
