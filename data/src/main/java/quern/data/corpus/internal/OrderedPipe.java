package quern.data.corpus.internal;

import java.util.ArrayDeque;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Does pieces of work on several threads and hands their results on in the order of the pieces. What is under way at once
 * is bounded in number and in bytes.
 */
public final class OrderedPipe implements AutoCloseable {
    private static final int PIECES_A_THREAD = 3;

    private final ExecutorService pool;
    private final int threads;
    private final long bytesAtOnce;

    /** A pipe of so many threads that holds about so many bytes of work at once. */
    public OrderedPipe(int threads, long bytesAtOnce) {
        this.threads = threads;
        this.bytesAtOnce = bytesAtOnce;
        this.pool = Executors.newFixedThreadPool(threads, work -> {
            Thread thread = new Thread(work, "prepare");
            thread.setDaemon(true);
            return thread;
        });
    }

    /** A piece of work: gives its input's size in bytes. */
    public interface Source<I> {
        /** The next input; null at the end. */
        I next();

        /** About how many bytes an input holds. */
        long bytes(I input);
    }

    private record UnderWay<O>(Future<O> result, long bytes) {}

    /** Runs until the source ends. The caller's thread reads the source and takes the results. */
    public <I, O> void run(Source<I> source, Function<I, O> work, Consumer<O> sink) {
        ArrayDeque<UnderWay<O>> queue = new ArrayDeque<>();
        long held = 0;
        try {
            while (true) {
                I input = source.next();
                if (input == null) {
                    break;
                }
                long bytes = source.bytes(input);
                Callable<O> task = () -> work.apply(input);
                while (!queue.isEmpty() && (held + bytes > bytesAtOnce || queue.size() >= threads * PIECES_A_THREAD)) {
                    held -= queue.peek().bytes();
                    sink.accept(result(queue.poll()));
                }
                queue.add(new UnderWay<>(pool.submit(task), bytes));
                held += bytes;
                while (!queue.isEmpty() && queue.peek().result().isDone()) {
                    held -= queue.peek().bytes();
                    sink.accept(result(queue.poll()));
                }
            }
            while (!queue.isEmpty()) {
                sink.accept(result(queue.poll()));
            }
        } finally {
            queue.forEach(left -> left.result().cancel(false));
        }
    }

    private static <O> O result(UnderWay<O> done) {
        try {
            return done.result().get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new java.util.concurrent.CancellationException("interrupted");
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException own -> throw own;
                case Error error -> throw error;
                default -> throw new IllegalStateException(e.getCause());
            }
        }
    }

    @Override
    public void close() {
        pool.shutdownNow();
    }
}
