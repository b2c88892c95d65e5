package quern.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import quern.data.internal.Mix;
import quern.recipe.QuernException;

/**
 * A stream in lanes, for models that carry memories: a row of a batch goes on where the same row of the batch before ended. An
 * epoch predicts every token of a lane's texts but their first exactly once. Where a row begins a text, it has a 1 in {@value
 * #RESET} and its memories must not be seen: at the start of an epoch, and where the lanes hold whole documents at the start of
 * each. What a text leaves of its last row is padded on the right, and so are the rows of a lane that ended before others.
 */
public final class Lanes implements BatchSource {
    /** The name among a batch's other values: int64 [rows], 1 where a row begins a text. */
    public static final String RESET = "memory_reset";

    /**
     * The texts of a lane in order.
     *
     * @param from where each starts in the stream
     * @param targets how many tokens of each are predicted
     * @param rows the rows that all texts before each take, and behind them those of all
     */
    private record Lane(long[] from, long[] targets, long[] rows) {
        static Lane of(List<long[]> texts, int length) {
            long[] from = texts.stream().mapToLong(t -> t[0]).toArray();
            long[] targets = texts.stream().mapToLong(t -> t[1]).toArray();
            long[] rows = new long[from.length + 1];
            for (int i = 0; i < from.length; i++) {
                rows[i + 1] = rows[i] + (targets[i] + length - 1) / length;
            }
            return new Lane(from, targets, rows);
        }

        long length() {
            return rows[rows.length - 1];
        }
    }

    private final TokenStream tokens;
    private final int length;
    private final List<Lane> lanes;
    private final long batches;

    private Lanes(TokenStream tokens, int length, List<List<long[]>> texts) {
        this.tokens = tokens;
        this.length = length;
        this.lanes = texts.stream().map(lane -> Lane.of(lane, length)).toList();
        this.batches = lanes.stream().mapToLong(Lane::length).max().orElse(0);
    }

    /**
     * The stream cut into {@code rows} pieces of nearly the same length, one a lane; documents go on into each other.
     *
     * @param length tokens of a row
     * @throws QuernException for a stream with fewer tokens to predict than lanes
     */
    public static Lanes ofStream(TokenStream tokens, int length, int rows) {
        check(length, rows);
        long targets = tokens.size() - 1;
        if (targets < rows) {
            throw QuernException.badInput(
                    "%s: %,d tokens, too short for %d lanes, which need %d; give more text or smaller batches",
                    tokens.origin(), tokens.size(), rows, rows + 1);
        }
        List<List<long[]>> lanes = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            long from = targets * row / rows;
            lanes.add(List.of(new long[] {from, targets * (row + 1) / rows - from}));
        }
        return new Lanes(tokens, length, lanes);
    }

    /**
     * Whole documents, each put behind those of the shortest lane so far, in a seeded order that all epochs share.
     *
     * @param length tokens of a row
     * @throws QuernException where no document has two tokens
     */
    public static Lanes ofDocuments(TokenStream tokens, int length, int rows, long seed) {
        check(length, rows);
        List<List<long[]>> lanes = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            lanes.add(new ArrayList<>());
        }
        long[] filled = new long[rows];
        Permutation order = new Permutation(tokens.documents(), Mix.hash(seed, 0));
        for (long i = 0; i < tokens.documents(); i++) {
            long document = order.at(i);
            long from = tokens.documentStart(document);
            long targets = tokens.documentStart(document + 1) - from - 1;
            if (targets < 1) {
                continue;
            }
            int shortest = 0;
            for (int row = 1; row < rows; row++) {
                shortest = filled[row] < filled[shortest] ? row : shortest;
            }
            lanes.get(shortest).add(new long[] {from, targets});
            filled[shortest] += (targets + length - 1) / length;
        }
        if (LongStream.of(filled).sum() == 0) {
            throw QuernException.badInput(
                    "%s: no document has two tokens, so there is nothing to predict; give more text", tokens.origin());
        }
        return new Lanes(tokens, length, lanes);
    }

    private static void check(int length, int rows) {
        if (length < 1 || rows < 1) {
            throw new IllegalArgumentException("length " + length + ", rows " + rows);
        }
    }

    @Override
    public long batchesPerEpoch() {
        return batches;
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long at = globalBatchIndex % batches;
        int rows = lanes.size();
        int[] inputIds = new int[rows * length];
        int[] labels = new int[rows * length];
        Arrays.fill(labels, Batch.NOT_COUNTED);
        int[] lengths = new int[rows];
        int[] reset = new int[rows];
        for (int row = 0; row < rows; row++) {
            Lane lane = lanes.get(row);
            if (at >= lane.length()) {
                // A lane that has ended forgets, so that nothing of padding is remembered.
                reset[row] = 1;
                continue;
            }
            int found = Arrays.binarySearch(lane.rows, at);
            int text = found >= 0 ? found : -found - 2;
            long done = (at - lane.rows[text]) * length;
            long from = lane.from[text] + done;
            lengths[row] = (int) Math.min(length, lane.targets[text] - done);
            reset[row] = done == 0 ? 1 : 0;
            tokens.read(from, inputIds, row * length, lengths[row]);
            tokens.read(from + 1, labels, row * length, lengths[row]);
        }
        return new Batch(rows, length, inputIds, labels, lengths, Map.of(RESET, new Batch.Values.Ints(reset, rows)));
    }
}
