package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
@Tag("each-path")
class KernelThreadsTest {
    private final int before = KernelThreads.count();

    @AfterEach
    void restore() {
        KernelThreads.setCount(before);
    }

    @Test
    void everyBlockIsDoneOnce() {
        for (int threads : new int[] {1, 2, 5}) {
            KernelThreads.setCount(threads);
            assertEquals(threads, KernelThreads.count());
            for (int blocks = 0; blocks < 200; blocks++) {
                AtomicIntegerArray done = new AtomicIntegerArray(blocks);
                KernelThreads.run(blocks, done::incrementAndGet);
                for (int block = 0; block < blocks; block++) {
                    assertEquals(1, done.get(block));
                }
            }
        }
    }

    @Test
    void theWorkersTakePart() throws InterruptedException {
        KernelThreads.setCount(3);
        // Each of three blocks waits for the others: only three threads at once can end this.
        CountDownLatch all = new CountDownLatch(3);
        Set<Thread> seen = ConcurrentHashMap.newKeySet();
        KernelThreads.run(3, block -> {
            seen.add(Thread.currentThread());
            all.countDown();
            try {
                assertTrue(all.await(30, TimeUnit.SECONDS), "the blocks ran one after another");
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        assertEquals(3, seen.size());
        assertTrue(seen.contains(Thread.currentThread()));
    }

    @Test
    void aFailureIsThrownAfterAllBlocks() {
        KernelThreads.setCount(2);
        AtomicInteger done = new AtomicInteger();
        IllegalStateException failure = new IllegalStateException("block 3");
        assertSame(
                failure,
                assertThrows(
                        IllegalStateException.class,
                        () -> KernelThreads.run(50, block -> {
                            done.incrementAndGet();
                            if (block == 3) {
                                throw failure;
                            }
                        })));
        assertEquals(50, done.get());
        KernelThreads.run(50, block -> done.incrementAndGet());
        assertEquals(100, done.get());
    }

    @Test
    void aCallFromWithinABlockIsDoneThere() {
        KernelThreads.setCount(2);
        AtomicInteger done = new AtomicInteger();
        KernelThreads.run(10, outer -> KernelThreads.run(10, inner -> done.incrementAndGet()));
        assertEquals(100, done.get());
    }

    @Test
    void callersAtOnceAllFinish() throws InterruptedException {
        KernelThreads.setCount(3);
        AtomicInteger done = new AtomicInteger();
        try (ExecutorService callers = Executors.newFixedThreadPool(4)) {
            for (int call = 0; call < 400; call++) {
                callers.execute(() -> KernelThreads.run(25, block -> done.incrementAndGet()));
            }
            callers.shutdown();
            assertTrue(callers.awaitTermination(30, TimeUnit.SECONDS));
        }
        assertEquals(400 * 25, done.get());
    }

    @Test
    void anInterruptedCallerStillWaitsAndStaysInterrupted() {
        KernelThreads.setCount(2);
        AtomicInteger done = new AtomicInteger();
        Thread.currentThread().interrupt();
        KernelThreads.run(100, block -> {
            for (int i = 0; i < 1000; i++) {
                Thread.onSpinWait();
            }
            done.incrementAndGet();
        });
        assertTrue(Thread.interrupted());
        assertEquals(100, done.get());
    }

    @Test
    void lessThanOneThreadIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> KernelThreads.setCount(0));
    }
}
