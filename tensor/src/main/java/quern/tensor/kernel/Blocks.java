package quern.tensor.kernel;

/** Cuts a run of elements into blocks of a fixed size. */
final class Blocks {
    /** A multiple of every vector length; some hundred KB of traffic, so that handing out blocks costs nothing. */
    static final int SIZE = 1 << 15;

    private Blocks() {}

    /** What to do for the elements [begin, end) of block number {@code block}. */
    @FunctionalInterface
    interface RangeTask {
        void run(int block, long begin, long end);
    }

    static int count(long elements) {
        return Math.toIntExact(Math.ceilDiv(elements, (long) SIZE));
    }

    static void run(long elements, RangeTask task) {
        KernelThreads.run(count(elements), block -> {
            long begin = (long) block * SIZE;
            task.run(block, begin, Math.min(elements, begin + SIZE));
        });
    }
}
