package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

/** Hooks that watch from beside the training hear all of it, in order, and their errors stop it. */
class HookThreadTest {
    private static final long WAIT = 60;

    @TempDir
    Path folder;

    private static TrainingProgress at(long step) {
        return new TrainingProgress(step, 10, 0, 0);
    }

    @Test
    @Timeout(WAIT)
    void trainingDoesNotWaitUntilItFlushes() {
        CountDownLatch open = new CountDownLatch(1);
        List<Long> heard = new ArrayList<>();
        AtomicReference<Thread> thread = new AtomicReference<>();
        TrainingHook slow = new TrainingHook() {
            @Override
            public void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
                try {
                    open.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                thread.set(Thread.currentThread());
                heard.add(progress.step());
            }
        };
        try (HookThread beside = new HookThread(List.of(slow))) {
            for (long step = 0; step < 100; step++) {
                beside.onMetrics(at(step), Map.of("loss", 1.0));
            }
            assertTrue(heard.isEmpty());
            open.countDown();
            beside.flush();
            assertEquals(100, heard.size());
            for (int i = 0; i < heard.size(); i++) {
                assertEquals(i, heard.get(i));
            }
            assertNotSame(Thread.currentThread(), thread.get());
        }
    }

    @Test
    @Timeout(WAIT)
    void anErrorIsThrownByTheNextEventAndAtTheEnd() {
        List<Long> heard = new ArrayList<>();
        TrainingHook failing = new TrainingHook() {
            @Override
            public void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
                heard.add(progress.step());
                throw QuernException.refused("metrics.jsonl: the disk is full");
            }
        };
        try (HookThread beside = new HookThread(List.of(failing))) {
            beside.onMetrics(at(1), Map.of());
            QuernException atFlush = assertThrows(QuernException.class, beside::flush);
            assertEquals("metrics.jsonl: the disk is full", atFlush.getMessage());
            assertThrows(QuernException.class, () -> beside.onStep(at(2), null));
            assertThrows(QuernException.class, () -> beside.onMetrics(at(2), Map.of()));
        }
        assertEquals(List.of(1L), heard, "nothing is written after a line that is missing");
    }

    @Test
    @Timeout(WAIT)
    void aWatcherHasHeardAllWhenTrainingReturns() {
        List<String> heard = new ArrayList<>();
        try (TrainingRun run = TrainingRun.start(TinyRuns.block(folder), note -> {})) {
            run.addWatcher(new TrainingHook() {
                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    heard.add("step " + progress.step());
                }

                @Override
                public void onSaved(TrainingProgress progress, Path checkpoint) {
                    heard.add("saved " + checkpoint.getFileName());
                }

                @Override
                public void onEnd(TrainingProgress progress) {
                    heard.add("end");
                }
            });
            run.train();
        }
        assertEquals(12, heard.stream().filter(line -> line.startsWith("step ")).count());
        assertEquals(
                List.of("saved checkpoint-4", "saved checkpoint-8", "saved checkpoint-12"),
                heard.stream().filter(line -> line.startsWith("saved ")).toList());
        assertEquals("end", heard.getLast());
    }

    @Test
    @Timeout(WAIT)
    void aWatcherThatFailsStopsTheRunAndItsLastCheckpointStands() {
        AtomicReference<Path> at = new AtomicReference<>();
        try (TrainingRun run = TrainingRun.start(TinyRuns.block(folder, "max_steps=100000"), note -> {})) {
            at.set(run.folder());
            run.addWatcher(new TrainingHook() {
                @Override
                public void onSaved(TrainingProgress progress, Path checkpoint) {
                    throw QuernException.refused("the watcher gave up");
                }
            });
            QuernException e = assertThrows(QuernException.class, run::train);
            assertEquals(ExitCode.REFUSED, e.exitCode());
            assertEquals("the watcher gave up", e.getMessage());
        }
        assertFalse(Checkpoints.list(at.get()).isEmpty());
        Checkpoints.list(at.get()).forEach(Manifest::verify);
        assertTrue(Files.exists(at.get().resolve(RunFolder.METRICS)));
    }
}
