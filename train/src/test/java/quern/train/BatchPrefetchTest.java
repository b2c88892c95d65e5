package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import quern.data.Batch;
import quern.data.BatchSource;
import quern.recipe.QuernException;

/** Batches made ahead are those that would have been made in time, and an error waits for its step. */
class BatchPrefetchTest {
    private static final int STEPS = 6;
    private static final long WAIT = 20;

    @TempDir
    Path folder;

    /** Passes batches on, and writes down which were asked for, by which thread. */
    private static final class Watched implements BatchSource {
        private final BatchSource source;
        final List<Long> made = Collections.synchronizedList(new ArrayList<>());
        final List<String> threads = Collections.synchronizedList(new ArrayList<>());
        private final long failing;
        final CountDownLatch second = new CountDownLatch(1);

        Watched(BatchSource source, long failing) {
            this.source = source;
            this.failing = failing;
        }

        @Override
        public long batchesPerEpoch() {
            return source.batchesPerEpoch();
        }

        @Override
        public Batch batch(long number) {
            threads.add(Thread.currentThread().getName());
            made.add(number);
            if (number == 2) {
                second.countDown();
            }
            if (number == failing) {
                throw QuernException.failed("batch %d is damaged", number);
            }
            return source.batch(number);
        }
    }

    private static List<Object> content(List<Batch> batches) {
        List<Object> all = new ArrayList<>();
        for (Batch b : batches) {
            all.add(java.util.Arrays.toString(b.inputIds()) + java.util.Arrays.toString(b.labels()));
        }
        return all;
    }

    @Test
    @Timeout(WAIT)
    void theNextStepIsMadeBesideThisOne() throws InterruptedException {
        Preparation p = Preparation.of(TinyRuns.block(folder, "gradient_accumulation_steps=2"), note -> {});
        Watched source = new Watched(p.batches(), -1);
        try (BatchPrefetch prefetch = new BatchPrefetch(source, p.stepBatches(), STEPS)) {
            List<Object> first = content(prefetch.of(0));
            // Nobody has asked for the second step's first batch yet.
            assertTrue(source.second.await(WAIT, TimeUnit.SECONDS));
            List<Object> seen = new ArrayList<>(first);
            for (long step = 1; step < STEPS; step++) {
                seen.addAll(content(prefetch.of(step)));
            }
            List<Object> expected = new ArrayList<>();
            for (long k = 0; k < 2 * STEPS; k++) {
                expected.addAll(content(List.of(p.batches().batch(k))));
            }
            assertEquals(expected, seen);
        }
        List<Long> each = new ArrayList<>();
        for (long k = 0; k < 2 * STEPS; k++) {
            each.add(k);
        }
        assertEquals(each, source.made, "each batch once, in order, and none past the end");
        source.threads.forEach(name -> assertNotEquals(Thread.currentThread().getName(), name));
    }

    @Test
    @Timeout(WAIT)
    void anyStepMayBeAskedFor() {
        Preparation p = Preparation.of(TinyRuns.block(folder), note -> {});
        try (BatchPrefetch prefetch = new BatchPrefetch(p.batches(), p.stepBatches(), STEPS)) {
            for (long step : new long[] {3, 3, 0, 5, 1}) {
                assertEquals(content(List.of(p.batches().batch(step))), content(prefetch.of(step)));
            }
        }
    }

    @Test
    @Timeout(WAIT)
    void anErrorIsThrownWhenItsStepComes() {
        Preparation p = Preparation.of(TinyRuns.block(folder), note -> {});
        Watched source = new Watched(p.batches(), 1);
        try (BatchPrefetch prefetch = new BatchPrefetch(source, p.stepBatches(), STEPS)) {
            assertEquals(1, prefetch.of(0).size());
            QuernException e = assertThrows(QuernException.class, () -> prefetch.of(1));
            assertEquals("batch 1 is damaged", e.getMessage());
        }
    }
}
