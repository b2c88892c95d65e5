package quern.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.bytedeco.pytorch.global.torch;

/**
 * Runs pieces of work that consist of libtorch's operators side by side, where each operator is too small to be worth
 * dividing: decompositions and products of small matrices. Within a piece every operator uses one thread, so results
 * depend neither on the count of threads nor on which of them did a piece.
 */
public final class ParallelOperators {
    private static ExecutorService workers;
    private static int count;

    private ParallelOperators() {}

    /**
     * Does pieces 0 to {@code pieces - 1}, each in a scope of its own and without gradients, and returns when all are done.
     * They run on threads of their own, as many as {@link Native#threads()} says here; one piece, or {@code inline} ones,
     * run on the caller. The first failure is thrown, after the others. No other thread should multiply matrices
     * meanwhile: it would do so with one thread.
     *
     * @param inline true where no tensor of any piece has as many elements as libtorch divides over threads, 32,768
     */
    public static synchronized void run(int pieces, boolean inline, IntConsumer piece) {
        if (pieces == 0) {
            return;
        }
        if (inline) {
            for (int number = 0; number < pieces; number++) {
                scoped(number, piece);
            }
            return;
        }
        int threads = Native.threads();
        int blasThreads = BlasThreads.get();
        BlasThreads.set(1);
        try {
            divide(pieces, threads, piece);
        } finally {
            BlasThreads.set(blasThreads);
        }
    }

    private static void scoped(int number, IntConsumer piece) {
        try (Scope scope = Scope.open();
                Autograd.Mode mode = Autograd.noGrad()) {
            piece.accept(number);
        }
    }

    private static void divide(int pieces, int threads, IntConsumer piece) {
        start(threads);
        AtomicInteger next = new AtomicInteger();
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < Math.min(threads, pieces); i++) {
            running.add(workers.submit(() -> {
                for (int number = next.getAndIncrement(); number < pieces; number = next.getAndIncrement()) {
                    scoped(number, piece);
                }
            }));
        }
        Throwable failure = null;
        for (Future<?> future : running) {
            Throwable its = failureOf(future);
            failure = failure == null ? its : failure;
        }
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(failure);
        }
    }

    /** Waits whatever happens: the pieces work on memory that the caller may free when it goes on. */
    private static Throwable failureOf(Future<?> future) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    future.get();
                    return null;
                } catch (ExecutionException e) {
                    return e.getCause();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Threads that use one thread for each operator; setting that takes libtorch a millisecond, so they are kept. */
    private static void start(int threads) {
        if (count == threads) {
            return;
        }
        if (workers != null) {
            workers.shutdown();
            workers = null;
            count = 0;
        }
        CountDownLatch ready = new CountDownLatch(threads);
        ThreadPoolExecutor pool =
                new ThreadPoolExecutor(threads, threads, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), work -> {
                    Thread thread = new Thread(
                            () -> {
                                // A thread's first look sets its number to the common one, so it comes before.
                                torch.get_num_threads();
                                torch.set_num_threads(1);
                                ready.countDown();
                                work.run();
                            },
                            "operators");
                    thread.setDaemon(true);
                    return thread;
                });
        pool.prestartAllCoreThreads();
        try {
            ready.await();
        } catch (InterruptedException e) {
            pool.shutdown();
            Thread.currentThread().interrupt();
            throw new CancellationException("interrupted before operators ran");
        }
        // The number is also what threads begin with that start later.
        torch.set_num_threads(threads);
        workers = pool;
        count = threads;
    }
}
