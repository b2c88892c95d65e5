package quern.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.LongStream;
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
 * @param prefix whether the tokens of a row's prefix see each other whole, later ones too
 * @param sparse which of these keys a query sees; {@code null} for all
 */
public record Mask(boolean ahead, OptionalInt reach, Alibi alibi, boolean prefix, SparsePattern sparse) {
    /**
     * Attention with linear biases (Press et al. 2022, arXiv:2108.12409): factor · slope · position of the key, a slope a
     * head.
     *
     * @param roundedToBf16 whether slope · position is rounded to bf16, as Falcon was trained
     * @param distances whether the biases are -slope · distance, which softmax tells from the above only where a row has
     *     something that is no key, such as a sink
     */
    public record Alibi(float[] slopes, boolean roundedToBf16, double factor, boolean distances) {
        /** The paper's slopes: a geometric series for a power of 2 of heads, and between two powers every other one of the next. */
        public static Alibi of(int heads) {
            int power = Integer.highestOneBit(heads);
            float[] slopes = new float[heads];
            for (int i = 0; i < heads; i++) {
                slopes[i] = i < power ? slope(power, i + 1) : slope(2 * power, 2 * (i - power) + 1);
            }
            return new Alibi(slopes, false, 1, false);
        }

        private static float slope(int heads, int exponent) {
            return (float) Math.pow((float) Math.pow(2, -8.0 / heads), exponent);
        }

        /** The same, slope · position rounded to bf16 and then multiplied. */
        public Alibi roundedAndMultipliedBy(double factor) {
            return new Alibi(slopes, true, factor, distances);
        }

        /** The same by distance. */
        public Alibi ofDistances() {
            return new Alibi(slopes, roundedToBf16, factor, true);
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

        /** What a distance of 1 adds where biases are by distance, fp32 [H, 1, 1]. */
        Tensor slopesByDistance() {
            return Tensor.of(slopes, slopes.length, 1, 1).mul(-factor);
        }

        /** -slope · distance [1, H, T, S] for {@code t} queries, the last of {@code s} positions. */
        Tensor byDistance(long t, long s, DType dtype, Device device) {
            Tensor keys_S = Tensor.arange(s, DType.FP32, device);
            Tensor queries_T1 = keys_S.narrow(0, s - t, t).unsqueeze(-1);
            Tensor slopes_H11 = Tensor.of(slopes, slopes.length, 1, 1).to(device);
            return slopes_H11
                    .mul(queries_T1.sub(keys_S).abs().mul(-factor))
                    .unsqueeze(0)
                    .to(dtype);
        }
    }

    /** Every key up to the query itself. */
    public static Mask causal() {
        return new Mask(false, OptionalInt.empty(), null, false, null);
    }

    /** The {@code window} newest keys, the query's own among them. */
    public static Mask slidingWindow(int window) {
        if (window < 1) {
            throw new IllegalArgumentException("a window of " + window + " keys; at least 1 is needed");
        }
        return new Mask(false, OptionalInt.of(window - 1), null, false, null);
    }

    /** Every key. */
    public static Mask bidirectional() {
        return new Mask(true, OptionalInt.empty(), null, false, null);
    }

    /** Keys at most {@code reach} positions before or after the query. */
    public static Mask bidirectional(int reach) {
        return new Mask(true, OptionalInt.of(reach), null, false, null);
    }

    /**
     * Every key up to the query itself, and within a row's prefix every key (prefix language modelling, Raffel et al. 2020,
     * arXiv:1910.10683, section 3.2.1). {@code prefix_lengths} in the flow says how many of a row's first real tokens are its
     * prefix; without it there is none.
     */
    public static Mask causalBehindPrefix() {
        return new Mask(false, OptionalInt.empty(), null, true, null);
    }

    /**
     * The same with biases. Where a query sees no later key they grow with the key's position, else they shrink with its
     * distance on both sides, which is the same but for a number that softmax takes away.
     */
    public Mask with(Alibi biases) {
        return new Mask(ahead, reach, biases, prefix, sparse);
    }

    /** Of the keys up to the query, those of a sparse pattern. */
    public static Mask causal(SparsePattern sparse) {
        return new Mask(false, OptionalInt.empty(), null, false, sparse);
    }

    /** The keys of a sparse pattern on both sides. */
    public static Mask bidirectional(SparsePattern sparse) {
        return new Mask(true, OptionalInt.empty(), null, false, sparse);
    }

    /** Whether it hides exactly the later keys, where no row has a prefix. */
    boolean isCausal() {
        return !ahead && reach.isEmpty() && alibi == null && sparse == null;
    }

    /** Whether biases are by the distance of key and query, not by the key alone. */
    boolean isBiasedByDistance() {
        return alibi != null && (ahead || prefix || alibi.distances());
    }

    /** Whether what a query sees depends on distances alone, not on where the sequence starts. */
    private boolean isByDistance() {
        return sparse == null || sparse instanceof SparsePattern.Strided;
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
        return of(t, past, padding_BS, null, dtype, device);
    }

    /**
     * As above.
     *
     * @param prefixes_B int64 [B], real tokens of each row's prefix; {@code null} for none
     */
    Tensor of(long t, long past, Tensor padding_BS, Tensor prefixes_B, DType dtype, Device device) {
        if (sparse != null) {
            return withBiases(sparse(t, past, padding_BS, dtype, device), t, past, padding_BS, dtype, device);
        }
        long kept = kept(past);
        Tensor mask = ahead
                ? Tensor.full(0, dtype, device, t, kept + t)
                : later(Math.toIntExact(t), Math.toIntExact(kept)).to(dtype).to(device);
        if (reach.isPresent()) {
            Tensor far = Tensor.full(Double.NEGATIVE_INFINITY, dtype, device, t, kept + t);
            mask = mask.add(far.tril(kept - reach.getAsInt() - 1));
            if (ahead) {
                mask = mask.add(far.triu(kept + reach.getAsInt() + 1));
            }
        }
        if (prefixes_B != null) {
            mask = withPrefixes(mask, past, padding_BS, prefixes_B);
        }
        if (padding_BS != null) {
            mask = Attention.paddedMask(padding_BS.narrow(1, past - kept, kept + t), mask);
        }
        return withBiases(mask, t, past, padding_BS, dtype, device);
    }

    /** Fp32 [T, past + T] that hides later keys; written here, since libtorch's threads would take longer to wake up. */
    private static Tensor later(int t, int past) {
        float[] mask = new float[Math.multiplyExact(t, past + t)];
        for (int row = 0; row < t; row++) {
            Arrays.fill(mask, row * (past + t) + past + row + 1, (row + 1) * (past + t), Float.NEGATIVE_INFINITY);
        }
        return Tensor.of(mask, t, past + t);
    }

    private Tensor withBiases(Tensor mask, long t, long past, Tensor padding_BS, DType dtype, Device device) {
        if (alibi == null) {
            return mask;
        }
        long kept = kept(past);
        if (isBiasedByDistance()) {
            return mask.add(alibi.byDistance(t, kept + t, dtype, device));
        }
        Tensor positions = padding_BS == null
                ? Tensor.arange(past + t, DType.INT64, device)
                : padding_BS.cumsum(-1).sub(1).mul(padding_BS);
        return mask.add(alibi.biases(positions.narrow(-1, past - kept, kept + t), dtype));
    }

    /** [B, 1, T, S]. */
    private static Tensor withPrefixes(Tensor mask_TS, long past, Tensor padding_BS, Tensor prefixes_B) {
        Tensor prefixes_B1 = prefixes_B.unsqueeze(-1);
        if (past > 0 && prefixes_B.max().item() > past) {
            throw new IllegalArgumentException(
                    "a prefix of %d tokens after %d: its tokens see each other, so they must be read in one piece"
                            .formatted((long) prefixes_B.max().item(), past));
        }
        Tensor columns_1S = Tensor.arange(past + mask_TS.size(0), DType.INT64, mask_TS.device())
                .narrow(0, past + mask_TS.size(0) - mask_TS.size(1), mask_TS.size(1))
                .unsqueeze(0);
        Tensor last_B1 = padding_BS == null
                ? prefixes_B1
                : padding_BS.argmax(-1).unsqueeze(-1).add(prefixes_B1);
        Tensor inside_B11S = columns_1S.sub(last_B1).lt(0).unsqueeze(1).unsqueeze(1);
        return mask_TS.unsqueeze(0).unsqueeze(0).maskedFill(inside_B11S, 0);
    }

    /** Where the pattern depends on positions and rows start at different places, each row has its own mask. */
    private Tensor sparse(long t, long past, Tensor padding_BS, DType dtype, Device device) {
        long[] starts = padding_BS == null || isByDistance() ? new long[] {0} : starts(padding_BS);
        List<Tensor> masks = new ArrayList<>();
        for (long start : LongStream.of(starts).distinct().toArray()) {
            masks.add(sparse(t, past, start).to(dtype).to(device));
        }
        if (masks.size() == 1) {
            return padding_BS == null ? masks.get(0) : Attention.paddedMask(padding_BS, masks.get(0));
        }
        List<Long> order = LongStream.of(starts).distinct().boxed().toList();
        List<Tensor> rows = new ArrayList<>();
        for (int b = 0; b < starts.length; b++) {
            rows.add(Attention.paddedMask(padding_BS.narrow(0, b, 1), masks.get(order.indexOf(starts[b]))));
        }
        return Tensor.cat(rows, 0);
    }

    private Tensor sparse(long t, long past, long start) {
        float[] rows = new float[Math.toIntExact(t * (past + t))];
        int at = 0;
        for (long q = past; q < past + t; q++) {
            for (long k = 0; k < past + t; k++) {
                rows[at++] = (ahead || k <= q) && sparse.sees(q - start, k - start) ? 0 : Float.NEGATIVE_INFINITY;
            }
        }
        return Tensor.of(rows, t, past + t);
    }

    /** The first real token of each row. */
    private static long[] starts(Tensor padding_BS) {
        int width = Math.toIntExact(padding_BS.size(1));
        long[] real = padding_BS.toLongs();
        long[] starts = new long[real.length / width];
        for (int b = 0; b < starts.length; b++) {
            while (starts[b] < width - 1 && real[b * width + (int) starts[b]] == 0) {
                starts[b]++;
            }
        }
        return starts;
    }
}
