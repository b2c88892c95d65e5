package quern.nn;

import java.util.ArrayList;
import java.util.List;
import quern.tensor.DType;
import quern.tensor.Device;
import quern.tensor.Tensor;

/**
 * What a mask is in one call, so that attention in blocks needs no tensor of all queries and keys.
 *
 * @param queries T
 * @param past positions before the first query
 * @param padding [B, past + T], 0 = hidden; {@code null} when nothing is
 * @param address the memory of the tensor in the flow that says the same, 0 where there is none
 */
record CallMask(Mask mask, long queries, long past, long[][] padding, long address) {
    /** {@code padding_BS} may be {@code null}. */
    static CallMask of(Mask mask, long queries, long past, Tensor padding_BS, Tensor written) {
        long[][] rows = null;
        if (padding_BS != null) {
            long[] all = padding_BS.toLongs();
            int width = Math.toIntExact(padding_BS.size(1));
            rows = new long[Math.toIntExact(padding_BS.size(0))][];
            boolean any = false;
            for (int b = 0; b < rows.length; b++) {
                rows[b] = java.util.Arrays.copyOfRange(all, b * width, (b + 1) * width);
                for (long real : rows[b]) {
                    any |= real == 0;
                }
            }
            rows = any ? rows : null;
        }
        return new CallMask(mask, queries, past, rows, written == null ? 0 : address(written));
    }

    private static long address(Tensor tensor) {
        return tensor.device().isCuda() || !tensor.isContiguous()
                ? 0
                : tensor.memory().address();
    }

    /** Whether a tensor in the flow is still the one that says what this does, or the empty one that stands for this. */
    boolean describes(Tensor tensor) {
        return tensor.numel() == 0 || address != 0 && address(tensor) == address;
    }

    /** Whether exactly the later keys are hidden, and nothing is before the queries. */
    boolean isPlainCausal() {
        return mask.isCausal() && past == 0 && padding == null;
    }

    /** The additive mask for all queries and keys. */
    Tensor tensor(DType dtype, Device device) {
        Tensor padding_BS = padding == null ? null : paddingTensor().to(device);
        return mask.of(queries, past, padding_BS, dtype, device);
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
     * The sequences that queries and keys in memory hold: each row of the batch without the padding at its ends.
     *
     * @param keys S, of which the last stands at position past + T - 1
     */
    List<BlockwiseAttention.Sequence> sequences(int batch, long keys, Device device) {
        long total = past + queries;
        long firstKey = total - keys;
        List<BlockwiseAttention.Sequence> result = new ArrayList<>();
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
            long row = Math.max(past, start);
            long key = Math.max(firstKey, start);
            if (end <= row) {
                continue;
            }
            Tensor bias = bias(holes ? padding[b] : null, start, key, end);
            result.add(new BlockwiseAttention.Sequence(
                    b,
                    row - past,
                    end - row,
                    key - firstKey,
                    end - key,
                    row - start,
                    key - start,
                    bias == null ? null : bias.to(device)));
        }
        return result;
    }

    /** One sequence for each of documents one behind another. */
    List<BlockwiseAttention.Sequence> sequences(DocumentBorders documents, Device device) {
        List<BlockwiseAttention.Sequence> result = new ArrayList<>();
        for (int i = 0; i < documents.count(); i++) {
            long start = documents.starts()[i];
            long length = documents.length(i);
            Tensor bias = bias(null, 0, 0, length);
            result.add(new BlockwiseAttention.Sequence(
                    0, start, length, start, length, 0, 0, bias == null ? null : bias.to(device)));
        }
        return result;
    }

    /** What is added to every score of a key, fp32 [H or 1, 1, keys], for keys [from, to) of a text that begins at start. */
    private Tensor bias(long[] real, long start, long from, long to) {
        Tensor bias = null;
        if (mask.alibi() != null) {
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
