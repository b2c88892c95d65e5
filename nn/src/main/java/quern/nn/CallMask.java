package quern.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/**
 * What a mask is in one call, so that attention in blocks needs no tensor of all queries and keys: T queries, and before them
 * {@code past} positions.
 */
final class CallMask {
    private final Mask mask;
    private final long queries;
    private final long past;
    /** [B][past + T], 0 = hidden; {@code null} when nothing is. */
    private final long[][] padding;
    /** [B] real tokens of each row's prefix; {@code null} for none. */
    private final long[] prefixes;
    /** The memory of the tensor in the flow that says the same; 0 where there is none. */
    private long address;

    /** {@code padding_BS} and {@code prefixes_B} may be {@code null}. */
    CallMask(Mask mask, long queries, long past, Tensor padding_BS, Tensor prefixes_B) {
        this.mask = mask;
        this.queries = queries;
        this.past = past;
        this.padding = padding_BS == null ? null : rows(padding_BS);
        this.prefixes = prefixes_B == null ? null : prefixes_B.toLongs();
    }

    private static long[][] rows(Tensor padding_BS) {
        long[] all = padding_BS.toLongs();
        if (Arrays.stream(all).allMatch(real -> real != 0)) {
            return null;
        }
        int width = Math.toIntExact(padding_BS.size(1));
        long[][] rows = new long[all.length / width][];
        Arrays.setAll(rows, b -> Arrays.copyOfRange(all, b * width, (b + 1) * width));
        return rows;
    }

    private static long address(Tensor tensor) {
        return tensor.device().isCuda() || !tensor.isContiguous()
                ? 0
                : tensor.memory().address();
    }

    /** Tells the pass, and writes the mask's tensor into the flow; where attention goes in blocks one of no elements. */
    void write(String name, DType dtype, Device device, Flow flow, Pass pass) {
        boolean blockwise = pass.takesOperators() && pass.attention().isBlockwise(queries, past + queries);
        Tensor tensor = blockwise ? Tensor.empty(dtype, device, 0) : tensor(dtype, device);
        address = address(tensor);
        flow.put(name, tensor);
        pass.putMask(name, this);
    }

    /** Whether a tensor in the flow is still the one that says what this does, or the empty one that stands for this. */
    boolean describes(Tensor tensor) {
        return tensor.numel() == 0 || address != 0 && address(tensor) == address;
    }

    /** Whether exactly the later keys are hidden, and nothing is before the queries. */
    boolean isPlainCausal() {
        return mask.isCausal() && past == 0 && padding == null && prefixes == null;
    }

    long queries() {
        return queries;
    }

    /** The additive mask for all queries and keys. */
    Tensor tensor(DType dtype, Device device) {
        Tensor padding_BS = padding == null ? null : paddingTensor().to(device);
        Tensor prefixes_B =
                prefixes == null ? null : Tensor.of(prefixes, prefixes.length).to(device);
        return mask.of(queries, past, padding_BS, prefixes_B, dtype, device);
    }

    private Tensor paddingTensor() {
        int width = padding[0].length;
        long[] all = new long[padding.length * width];
        for (int b = 0; b < padding.length; b++) {
            System.arraycopy(padding[b], 0, all, b * width, width);
        }
        return Tensor.of(all, padding.length, width);
    }

    /**
     * What queries and keys in memory see: each row of the batch is a sequence without the padding before it, and
     * without that behind it among the keys.
     *
     * @param keys S, of which the last stands at position past + T - 1
     */
    BlockwiseAttention.Visible visible(int batch, long keys, Device device) {
        long total = past + queries;
        long firstKey = total - keys;
        VisibleKeys near = VisibleKeys.of(mask);
        List<BlockwiseAttention.Sequence> sequences = new ArrayList<>();
        for (int b = 0; b < batch; b++) {
            long start = 0;
            long end = total;
            boolean holes = false;
            if (padding != null) {
                long[] real = padding[b];
                while (start < end && real[(int) start] == 0) {
                    start++;
                }
                while (end > start && real[(int) end - 1] == 0) {
                    end--;
                }
                for (long i = start; i < end; i++) {
                    holes |= real[(int) i] == 0;
                }
            }
            long key = Math.max(firstKey, start);
            // Padding sees the text where it may, as with all scores at once: some heads count its logits.
            long row = past;
            while (row < total && !seesAny(near, row - start, key - start, end - start)) {
                row++;
            }
            long after = total;
            while (after > row && !seesAny(near, after - 1 - start, key - start, end - start)) {
                after--;
            }
            if (row > past) {
                sequences.add(BlockwiseAttention.Sequence.blind(b, 0, row - past, keys));
            }
            if (after < total) {
                sequences.add(BlockwiseAttention.Sequence.blind(b, after - past, total - after, keys));
            }
            if (after > row) {
                Tensor bias = bias(holes ? padding[b] : null, start, key, end);
                sequences.add(new BlockwiseAttention.Sequence(
                        b,
                        row - past,
                        after - row,
                        key - firstKey,
                        end - key,
                        row - start,
                        key - start,
                        prefixes == null ? 0 : prefixes[b],
                        bias == null ? null : bias.to(device),
                        false));
            }
        }
        return visible(sequences, device);
    }

    /** Whether the query at position {@code q} sees one of the keys [from, to). */
    private boolean seesAny(VisibleKeys near, long q, long from, long to) {
        if (q < 0 && mask.sparse() instanceof SparsePattern.Strided) {
            return false;
        }
        boolean inBand = Math.max(near.lowest(q), from) <= Math.min(near.highest(q), to - 1);
        boolean atStart = from < near.global() && to > from && (near.ahead() || q >= from);
        return inBand || atStart || near.ahead() && q < near.global() && to > from;
    }

    /** One sequence for each of documents one behind another. */
    BlockwiseAttention.Visible visible(DocumentBorders documents, Device device) {
        List<BlockwiseAttention.Sequence> sequences = new ArrayList<>();
        for (int i = 0; i < documents.count(); i++) {
            long start = documents.start(i);
            long length = documents.length(i);
            Tensor bias = bias(null, 0, 0, length);
            sequences.add(new BlockwiseAttention.Sequence(
                    0, start, length, start, length, 0, 0, 0, bias == null ? null : bias.to(device), false));
        }
        return visible(sequences, device);
    }

    private BlockwiseAttention.Visible visible(List<BlockwiseAttention.Sequence> sequences, Device device) {
        Tensor slopes =
                mask.isBiasedByDistance() ? mask.alibi().slopesByDistance().to(device) : null;
        int stride = mask.sparse() instanceof SparsePattern.Strided s ? s.stride() : 0;
        return new BlockwiseAttention.Visible(sequences, VisibleKeys.of(mask), stride, slopes);
    }

    /** What is added to every score of a key, fp32 [H or 1, 1, keys], for keys [from, to) of a text that begins at start. */
    private Tensor bias(long[] real, long start, long from, long to) {
        Tensor bias = null;
        if (mask.alibi() != null && !mask.isBiasedByDistance()) {
            long[] positions = new long[Math.toIntExact(to - from)];
            long position = -1;
            for (long i = start; i < to; i++) {
                boolean counts = real == null || real[(int) i] != 0;
                position += counts ? 1 : 0;
                if (i >= from) {
                    positions[(int) (i - from)] = counts ? position : 0;
                }
            }
            Tensor at = Tensor.of(positions, positions.length);
            bias = mask.alibi().biases(at, DType.FP32).squeeze(0);
        }
        if (real != null) {
            float[] hidden = new float[Math.toIntExact(to - from)];
            for (long i = from; i < to; i++) {
                hidden[(int) (i - from)] = real[(int) i] == 0 ? (float) TilePlan.HIDDEN : 0;
            }
            Tensor row = Tensor.of(hidden, 1, 1, hidden.length);
            bias = bias == null ? row : bias.add(row);
        }
        return bias;
    }
}
