package quern.train;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionHandler;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Calls hooks that only watch on a thread of their own, each event in its order, so that no step waits for a disk or a
 * terminal. What such a hook throws is thrown by the next call here, on the training thread; later events are then dropped.
 * These hooks have no state and no say in when training ends.
 */
final class HookThread implements TrainingHook, AutoCloseable {
    /** Events that may wait; a training that is this far ahead waits itself. */
    private static final int WAITING = 256;

    private final List<TrainingHook> hooks;
    private final ThreadPoolExecutor thread;
    private volatile Throwable failure;
    private boolean thrown;

    HookThread(List<TrainingHook> hooks) {
        this.hooks = List.copyOf(hooks);
        RejectedExecutionHandler wait = (event, pool) -> {
            boolean interrupted = false;
            while (true) {
                try {
                    pool.getQueue().put(event);
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        };
        thread = new ThreadPoolExecutor(
                1,
                1,
                0,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(WAITING),
                Thread.ofPlatform().name("quern-hooks").daemon().factory(),
                wait);
    }

    private void all(Consumer<TrainingHook> event) {
        rethrow();
        thread.execute(() -> {
            try {
                if (failure == null) {
                    hooks.forEach(event);
                }
            } catch (RuntimeException | Error e) {
                failure = e;
            }
        });
    }

    private void rethrow() {
        thrown = failure != null;
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new IllegalStateException(failure);
        }
    }

    /** Waits until all events so far were heard, and each hook has made them durable. */
    @Override
    public void flush() {
        all(TrainingHook::flush);
        FutureTask<Void> last = new FutureTask<>(() -> null);
        thread.execute(last);
        Awaited.get(last);
        rethrow();
    }

    @Override
    public void onBegin(TrainingProgress progress) {
        all(h -> h.onBegin(progress));
    }

    @Override
    public void onStep(TrainingProgress progress, StepResult result) {
        all(h -> h.onStep(progress, result));
    }

    @Override
    public void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
        Map<String, Double> copy = new LinkedHashMap<>(metrics);
        all(h -> h.onMetrics(progress, copy));
    }

    @Override
    public void onEvaluationProgress(TrainingProgress progress, long done, long total) {
        all(h -> h.onEvaluationProgress(progress, done, total));
    }

    @Override
    public void onSample(TrainingProgress progress, String prompt, String text) {
        all(h -> h.onSample(progress, prompt, text));
    }

    @Override
    public void onSaved(TrainingProgress progress, Path checkpoint) {
        all(h -> h.onSaved(progress, checkpoint));
    }

    @Override
    public void onNote(TrainingProgress progress, String note) {
        all(h -> h.onNote(progress, note));
    }

    @Override
    public void onEnd(TrainingProgress progress) {
        all(h -> h.onEnd(progress));
    }

    /** Waits until all events so far were heard and made durable, ends the thread, and throws what nobody has heard of yet. */
    @Override
    public void close() {
        if (failure == null) {
            all(TrainingHook::flush);
        }
        thread.close();
        if (!thrown) {
            rethrow();
        }
    }
}
