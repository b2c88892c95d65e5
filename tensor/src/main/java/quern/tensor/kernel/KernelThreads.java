package quern.tensor.kernel;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntToLongFunction;

/**
 * The threads that kernels run on: the caller and a fixed set of parked platform threads. Work comes in numbered blocks
 * that free threads take one after another; what a block does depends on its number alone, so results don't depend on which
 * thread takes it.
 *
 * <p>Calls from several threads don't share the workers: while one has them, another does its blocks alone, and so does a
 * call from within a block.
 */
public final class KernelThreads {
    /** Looks before a thread parks: some 0.2 ms, so that calls in a row need no system call and idle costs nothing. */
    private static final int SPINS = 5000;

    private static final ReentrantLock OWNER = new ReentrantLock();
    private static volatile int count = Runtime.getRuntime().availableProcessors();
    private static Worker[] workers = {};

    private KernelThreads() {}

    /** What to do for a block. */
    @FunctionalInterface
    public interface BlockTask {
        /** Does the block of that number. */
        void run(int block);
    }

    /** Threads in use, the caller counted; the number of processors at first. */
    public static int count() {
        return count;
    }

    /**
     * Sets the threads in use, the caller counted.
     *
     * @throws IllegalArgumentException when less than 1
     */
    public static void setCount(int threads) {
        if (threads < 1) {
            throw new IllegalArgumentException("kernel threads: %d, expected at least 1".formatted(threads));
        }
        OWNER.lock();
        try {
            count = threads;
            stopWorkers();
        } finally {
            OWNER.unlock();
        }
    }

    /** Does blocks 0 to {@code blocks - 1} and returns when all are done. The first failure is thrown, after the others. */
    public static void run(int blocks, BlockTask task) {
        if (blocks <= 1 || count == 1 || OWNER.isHeldByCurrentThread() || !OWNER.tryLock()) {
            for (int block = 0; block < blocks; block++) {
                task.run(block);
            }
            return;
        }
        try {
            startWorkers();
            Job job = new Job(task, blocks, Thread.currentThread());
            int helpers = Math.min(workers.length, blocks - 1);
            for (int i = 0; i < helpers; i++) {
                workers[i].give(job);
            }
            PartClock.Part before = PartClock.join(job.part);
            try {
                job.work();
                PartClock.idle();
                job.await();
                job.ended = System.nanoTime();
            } finally {
                PartClock.part(before);
            }
            job.rethrow();
        } finally {
            OWNER.unlock();
        }
    }

    /**
     * Neighbouring items for each of some lanes, whose weights add up as evenly as their order lets them.
     *
     * @return where each lane's items start, and behind them {@code items}
     */
    static int[] evenShares(int items, int lanes, IntToLongFunction weight) {
        long total = 0;
        for (int i = 0; i < items; i++) {
            total += weight.applyAsLong(i);
        }
        int[] shares = new int[lanes + 1];
        shares[lanes] = items;
        long before = 0;
        int item = 0;
        for (int lane = 1; lane < lanes; lane++) {
            // An item goes to the lane in whose share its middle lies.
            while (item < items && 2 * before + weight.applyAsLong(item) <= 2 * total * lane / lanes) {
                before += weight.applyAsLong(item++);
            }
            shares[lane] = item;
        }
        return shares;
    }

    /** Work on rows [first, first + rows), a tile at most. */
    @FunctionalInterface
    interface TileTask {
        /** Does it with the arrays of a lane. */
        void run(int lane, int first, int rows);
    }

    /** Rows in equal shares of neighbours a lane, each done in tiles of at most {@code tile}. */
    static void tiles(int rows, int lanes, int tile, TileTask task) {
        run(lanes, lane -> {
            int to = (int) ((long) rows * (lane + 1) / lanes);
            for (int row = (int) ((long) rows * lane / lanes); row < to; row += tile) {
                task.run(lane, row, Math.min(tile, to - row));
            }
        });
    }

    private static void startWorkers() {
        if (workers.length == count - 1) {
            return;
        }
        stopWorkers();
        Worker[] started = new Worker[count - 1];
        for (int i = 0; i < started.length; i++) {
            started[i] = new Worker(i);
            started[i].start();
        }
        workers = started;
    }

    private static void stopWorkers() {
        for (Worker worker : workers) {
            worker.end();
        }
        workers = new Worker[0];
    }

    /** Blocks of one call. A worker that comes late finds none left and never touches the caller's memory. */
    private static final class Job {
        private final BlockTask task;
        private final int blocks;
        private final Thread caller;
        private final PartClock.Part part = PartClock.current();
        private volatile long ended = Long.MAX_VALUE;
        private final AtomicInteger next = new AtomicInteger();
        private final AtomicInteger done = new AtomicInteger();
        private final AtomicReference<Throwable> failure = new AtomicReference<>();

        Job(BlockTask task, int blocks, Thread caller) {
            this.task = task;
            this.blocks = blocks;
            this.caller = caller;
        }

        void work() {
            int block;
            while ((block = next.getAndIncrement()) < blocks) {
                try {
                    task.run(block);
                } catch (Throwable e) {
                    failure.compareAndSet(null, e);
                }
                if (done.incrementAndGet() == blocks && Thread.currentThread() != caller) {
                    LockSupport.unpark(caller);
                }
            }
        }

        void await() {
            boolean interrupted = false;
            for (int spin = 0; done.get() < blocks; spin++) {
                if (spin < SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.park(this);
                    // park() returns at once while interrupted; the blocks must end all the same.
                    interrupted |= Thread.interrupted();
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }

        void rethrow() {
            switch (failure.get()) {
                case null -> {}
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                case Throwable e -> throw new IllegalStateException("a block threw a checked exception", e);
            }
        }
    }

    private static final class Worker extends Thread {
        private volatile Job job;
        private volatile boolean ended;

        Worker(int number) {
            super("quern-kernel-" + number);
            setDaemon(true);
        }

        void give(Job next) {
            job = next;
            LockSupport.unpark(this);
        }

        void end() {
            ended = true;
            LockSupport.unpark(this);
        }

        @Override
        public void run() {
            Job last = null;
            int spin = 0;
            while (!ended) {
                Job current = job;
                if (current != last) {
                    PartClock.join(current.part);
                    current.work();
                    // A thread that is held up here does not count once the caller has gone on alone.
                    PartClock.idleSince(Math.min(System.nanoTime(), current.ended));
                    last = current;
                    spin = 0;
                } else if (spin++ < SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.park(this);
                }
            }
        }
    }
}
