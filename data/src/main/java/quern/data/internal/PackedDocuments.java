package quern.data.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.IntStream;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.data.Permutation;
import quern.data.TooLong;

/**
 * Rows of whole documents, as many as fit, by best-fit decreasing (Johnson 1973; for training rows Krell et al. 2021,
 * arXiv:2107.02027): the longest first, each into the row that it fills best.
 *
 * <p>Packing is planned in blocks of documents that the seed chooses once, so that it takes bounded memory and every epoch has
 * the same number of rows. Within a block documents of one length change places from epoch to epoch. The rows of a group of
 * blocks come in another order each epoch, and the groups too, so that a block is packed once an epoch however many there are.
 */
public final class PackedDocuments implements BatchSource {
    /** Documents that are packed together: the last rows of a block, which have gaps, are few among them. */
    static final int BLOCK = 1024;

    /** Blocks whose rows are mixed. */
    static final int GROUP = 128;

    /** Two groups: where one ends and the next begins, readers are in both. */
    private static final int PLANS_KEPT = 2 * GROUP;

    private record PlanKey(long epoch, int block) {}

    private final WholeDocuments documents;
    private final int rowsPerBatch;
    private final long seed;
    /** The blocks' documents lie one block behind another in this order. */
    private final Permutation members;
    /** Rows of the blocks before each, and of all. */
    private final long[] rowsBefore;

    private final Map<PlanKey, long[][]> plans = new LinkedHashMap<>(16, 0.75f, true);

    /** Batches of so many rows, each as long as the longest document may be. */
    public PackedDocuments(WholeDocuments documents, int rowsPerBatch, long seed) {
        if (rowsPerBatch < 1) {
            throw new IllegalArgumentException("rowsPerBatch " + rowsPerBatch + " is below 1");
        }
        this.documents = documents;
        this.rowsPerBatch = rowsPerBatch;
        this.seed = seed;
        this.members = new Permutation(documents.count(), Mix.hash(seed, -1));
        int blocks = Math.toIntExact((documents.count() + BLOCK - 1) / BLOCK);
        this.rowsBefore = new long[blocks + 1];
        for (int block = 0; block < blocks; block++) {
            rowsBefore[block + 1] = rowsBefore[block] + plan(0, block).length;
        }
    }

    private long rows() {
        return rowsBefore[rowsBefore.length - 1];
    }

    @Override
    public List<String> notices() {
        return documents.notices();
    }

    @Override
    public Optional<TooLong> tooLong() {
        return Optional.of(documents.tooLong());
    }

    @Override
    public long batchesPerEpoch() {
        return (rows() + rowsPerBatch - 1) / rowsPerBatch;
    }

    @Override
    public Batch batch(long globalBatchIndex) {
        long epoch = globalBatchIndex / batchesPerEpoch();
        long first = globalBatchIndex % batchesPerEpoch() * rowsPerBatch;
        int count = (int) Math.min(rowsPerBatch, rows() - first);
        int blocks = rowsBefore.length - 1;
        Permutation groups = new Permutation((blocks + GROUP - 1) / GROUP, Mix.hash(~seed, epoch));
        List<long[]> rows = new ArrayList<>(count);
        long groupStart = 0;
        for (int turn = 0; rows.size() < count; turn++) {
            int group = (int) groups.at(turn);
            long from = rowsBefore[group * GROUP];
            long size = rowsBefore[Math.min(blocks, (group + 1) * GROUP)] - from;
            Permutation order = new Permutation(size, Mix.hash(seed, 2 * epoch) ^ Mix.mix(group));
            for (long at = first + rows.size() - groupStart; at < size && rows.size() < count; at++) {
                rows.add(row(epoch, from + order.at(at)));
            }
            groupStart += size;
        }
        return documents.batch(rows);
    }

    private long[] row(long epoch, long number) {
        int found = Arrays.binarySearch(rowsBefore, number);
        int block = found >= 0 ? found : -found - 2;
        return plan(epoch, block)[(int) (number - rowsBefore[block])];
    }

    /** The rows of a block in an epoch, each the numbers of its documents. */
    private synchronized long[][] plan(long epoch, int block) {
        long[][] plan = plans.get(new PlanKey(epoch, block));
        if (plan == null) {
            plan = make(epoch, block);
            plans.put(new PlanKey(epoch, block), plan);
            if (plans.size() > PLANS_KEPT) {
                plans.remove(plans.keySet().iterator().next());
            }
        }
        return plan;
    }

    private long[][] make(long epoch, int block) {
        long first = (long) block * BLOCK;
        int n = (int) Math.min(BLOCK, documents.count() - first);
        Permutation mixed = new Permutation(n, Mix.hash(Mix.hash(seed, 2 * epoch + 1), block));
        long[] numbers = IntStream.range(0, n)
                .mapToLong(i -> members.at(first + mixed.at(i)))
                .toArray();
        int[] lengths = Arrays.stream(numbers).mapToInt(documents::length).toArray();
        List<List<Integer>> rows = bestFitDecreasing(lengths, documents.most());
        return rows.stream()
                .map(row -> row.stream().mapToLong(i -> numbers[i]).toArray())
                .toArray(long[][]::new);
    }

    /** The items of each row; the number of rows follows from the lengths alone, whatever their order. */
    static List<List<Integer>> bestFitDecreasing(int[] lengths, int room) {
        record Space(int left, int row) implements Comparable<Space> {
            @Override
            public int compareTo(Space other) {
                return left != other.left ? Integer.compare(left, other.left) : Integer.compare(row, other.row);
            }
        }
        List<Integer> longestFirst = IntStream.range(0, lengths.length)
                .boxed()
                .sorted((a, b) -> Integer.compare(lengths[b], lengths[a]))
                .toList();
        List<List<Integer>> rows = new ArrayList<>();
        TreeSet<Space> spaces = new TreeSet<>();
        for (int item : longestFirst) {
            Space best = spaces.ceiling(new Space(lengths[item], 0));
            if (best == null) {
                best = new Space(room, rows.size());
                rows.add(new ArrayList<>());
            } else {
                spaces.remove(best);
            }
            rows.get(best.row()).add(item);
            spaces.add(new Space(best.left() - lengths[item], best.row()));
        }
        return rows;
    }
}
