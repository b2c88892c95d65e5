package quern.train;

import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import quern.data.Batch;
import quern.tensor.Device;
import quern.tensor.TensorException;

/**
 * How many sequences go through the model at once where memory decides ({@code auto_find_batch_size}). The step's
 * sequences stay the same, so its loss does too. Found by forward and backward passes of 1, 2, 4… sequences without an
 * update: on the CPU until twice as many would need more than a share of the memory that was free, on CUDA until memory
 * runs out; a step that runs out of memory later is taken again with half as many. What was found is in the checkpoints,
 * so that a resumed run divides its steps alike.
 */
final class MicroBatchSize implements Resumable {
    /** Of the memory that was free: saves and evaluations need some too, and other programs come and go. */
    private static final double SHARE = 0.7;

    private static final String ROWS = "rows";
    private static final List<String> OUT_OF_MEMORY =
            List.of("out of memory", "can't allocate memory", "not enough memory");

    private int rows;

    /** The sequences of a pass; 0 before they were found. */
    int rows() {
        return rows;
    }

    /**
     * Finds the size by trial.
     *
     * @param batches those of a step
     * @param whole the rows of a whole step; some of the data's batches have fewer
     * @param available bytes that are free now
     */
    void find(TrainingStep step, List<Batch> batches, int whole, Device device, LongSupplier available) {
        int most = batches.stream().mapToInt(Batch::rows).sum();
        long free = available.getAsLong();
        long before = ProcessMemory.read().now();
        int tried = 0;
        while (tried < most) {
            int next = Math.min(most, Math.max(1, 2 * tried));
            List<Batch> pass = List.of(MicroBatches.ofRows(batches, next).getFirst());
            ProcessMemory.forgetPeak();
            try {
                step.rehearse(0, pass);
            } catch (RuntimeException e) {
                if (!isOutOfMemory(e) || tried == 0) {
                    throw e;
                }
                break;
            }
            tried = next;
            long taken = ProcessMemory.read().peak() - before;
            if (!device.isCuda() && 2 * taken >= SHARE * free) {
                break;
            }
        }
        rows = tried == most ? Math.max(tried, whole) : tried;
    }

    /** The rows of these batches in passes of this size. */
    List<Batch> divide(List<Batch> batches) {
        return MicroBatches.ofRows(batches, rows);
    }

    /** Halves the size after memory ran out; false where a pass is one sequence already. */
    boolean halve() {
        boolean can = rows > 1;
        rows = Math.max(1, rows / 2);
        return can;
    }

    /** Whether an operator failed for want of memory. */
    static boolean isOutOfMemory(RuntimeException e) {
        String reason = String.valueOf(e.getMessage());
        return e instanceof TensorException && OUT_OF_MEMORY.stream().anyMatch(reason::contains);
    }

    @Override
    public String name() {
        return "micro_batch";
    }

    @Override
    public Map<String, Double> state() {
        return Map.of(ROWS, (double) rows);
    }

    @Override
    public void load(Map<String, Double> state) {
        rows = state.getOrDefault(ROWS, 0.0).intValue();
    }
}
