package quern.train;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import quern.data.Batch;
import quern.data.BatchSource;

/**
 * Makes the batches of the next step on a thread of its own while the present step is computed. Batches are a pure function
 * of the step, so what was made early and is never asked for has no effect, and a run resumes as it would without this.
 */
final class BatchPrefetch implements AutoCloseable {
    private final BatchSource source;
    private final StepBatches steps;
    private final long end;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("quern-batches").daemon().factory());
    private Future<List<Batch>> next;
    private long nextStep = -1;

    /**
     * @param end the number of steps of the training: no batch past it is made early
     */
    BatchPrefetch(BatchSource source, StepBatches steps, long end) {
        this.source = source;
        this.steps = steps;
        this.end = end;
    }

    /**
     * The batches of a step, without a wait where they were made already; those of the step after it are begun. What
     * making them throws is thrown here, when their step comes.
     */
    List<Batch> of(long step) {
        Future<List<Batch>> asked = nextStep == step && next != null ? next : begin(step);
        next = null;
        List<Batch> batches = Awaited.get(asked);
        nextStep = step + 1;
        if (nextStep < end) {
            next = begin(nextStep);
        }
        return batches;
    }

    private Future<List<Batch>> begin(long step) {
        return thread.submit(() -> {
            List<Batch> all = new ArrayList<>();
            long first = steps.first(step);
            for (int i = 0; i < steps.count(step); i++) {
                all.add(source.batch(first + i));
            }
            return all;
        });
    }

    /** Waits for what was begun: nobody reads the source after this. */
    @Override
    public void close() {
        thread.close();
    }
}
