package quern.train;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;

/** Results of work on other threads. */
final class Awaited {
    private Awaited() {}

    /**
     * Waits for work to end, also when this thread is interrupted meanwhile, which it then still is.
     *
     * @throws RuntimeException what the work threw, itself
     */
    static <T> T get(Future<T> work) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return work.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException r -> throw r;
                case Error error -> throw error;
                default -> throw new IllegalStateException(e.getCause());
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
