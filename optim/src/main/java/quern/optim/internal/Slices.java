package quern.optim.internal;

import java.util.Arrays;
import quern.tensor.kernel.KernelThreads;

/**
 * Cuts many runs of elements into slices of bounded length and deals them out to the kernels' threads in one go: a long
 * run is shared, short ones travel together, so a model of many tiny tensors costs one hand-over and not one a tensor.
 * The cuts depend on the lengths alone, never on the number of threads.
 */
public final class Slices {
    /** Elements a slice at most, but for long blocks: the kernels do that many on one thread. */
    private static final int LENGTH = 1 << 15;

    private final int[] owners;
    private final long[] begins;
    private final int[] lengths;
    /** Group i is the slices groups[i] to groups[i + 1] - 1. */
    private final int[] groups;

    /** What to do for {@code length} elements from {@code begin} of run {@code owner}. */
    public interface Task {
        /** Does them. */
        void run(int slice, int owner, long begin, int length);
    }

    /** Cuts runs of the given lengths anywhere. */
    public Slices(long[] runs) {
        this(runs, ones(runs.length));
    }

    private static long[] ones(int count) {
        long[] ones = new long[count];
        Arrays.fill(ones, 1);
        return ones;
    }

    /**
     * Cuts runs of the given lengths, each into whole blocks of its own length; a block that is longer than a slice makes
     * one by itself.
     */
    public Slices(long[] runs, long[] blocks) {
        long[] steps = new long[runs.length];
        int count = 0;
        for (int owner = 0; owner < runs.length; owner++) {
            steps[owner] = Math.max(LENGTH / blocks[owner], 1) * blocks[owner];
            count = Math.addExact(count, Math.toIntExact(Math.ceilDiv(runs[owner], steps[owner])));
        }
        owners = new int[count];
        begins = new long[count];
        lengths = new int[count];
        int[] starts = new int[count + 1];
        int slice = 0;
        int group = 0;
        long filled = LENGTH;
        for (int owner = 0; owner < runs.length; owner++) {
            for (long begin = 0; begin < runs[owner]; begin += steps[owner]) {
                int length = Math.toIntExact(Math.min(steps[owner], runs[owner] - begin));
                if (filled + length > LENGTH) {
                    starts[group++] = slice;
                    filled = 0;
                }
                filled += length;
                owners[slice] = owner;
                begins[slice] = begin;
                lengths[slice] = length;
                slice++;
            }
        }
        starts[group] = count;
        groups = Arrays.copyOf(starts, group + 1);
    }

    /** The number of slices. */
    public int count() {
        return owners.length;
    }

    /** The run a slice was cut from. */
    public int owner(int slice) {
        return owners[slice];
    }

    /** Does the task for every slice and returns when all are done. */
    public void run(Task task) {
        KernelThreads.run(groups.length - 1, group -> {
            for (int slice = groups[group]; slice < groups[group + 1]; slice++) {
                task.run(slice, owners[slice], begins[slice], lengths[slice]);
            }
        });
    }
}
