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
    /** Attention with linear biases (Press et al. 2022, arXiv:2108.12409): slope · position of the key, a slope a head. */
    public record Alibi(float[] slopes, boolean roundedToBf16) {
        /** [B or 1, H, 1, S] for keys at these positions, int64 [B, S] or [S]. */
        Tensor biases(Tensor positions, DType dtype) {
            Tensor slopes_H11 = Tensor.of(slopes, slopes.length, 1, 1).to(positions.device());
            Tensor positions_B11S = positions
                    .to(DType.FP32)
                    .view(positions.dim() == 1 ? 1 : positions.size(0), 1, 1, positions.size(-1));
            Tensor biases = roundedToBf16
                    ? slopes_H11.to(DType.BF16).mul(positions_B11S.to(DType.BF16))
                    : slopes_H11.mul(positions_B11S);
            return biases.to(dtype);
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
