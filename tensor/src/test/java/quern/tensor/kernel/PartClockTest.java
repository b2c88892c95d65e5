package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import quern.tensor.kernel.PartClock.Part;

@Timeout(60)
class PartClockTest {
    private static final double PAUSE = 0.05;
    /** A pause never ends early, and the clock itself costs microseconds. */
    private static final double SLACK = 0.001;

    private final int threads = KernelThreads.count();

    @AfterEach
    void restore() {
        KernelThreads.setCount(threads);
    }

    private static void pause() {
        long end = System.nanoTime() + (long) (PAUSE * 1e9);
        while (System.nanoTime() < end) {
            LockSupport.parkNanos(1000);
        }
    }

    private static double sum(PartClock.Times times) {
        return times.parts().values().stream().mapToDouble(Double::doubleValue).sum();
    }

    @Test
    void aPartWithinAnotherInterruptsIt() {
        PartClock.start();
        Part before = PartClock.enter(Part.HEAD);
        assertEquals(Part.OTHER, before);
        pause();
        Part outer = PartClock.enter(Part.LOSS);
        assertEquals(Part.HEAD, outer);
        pause();
        PartClock.leave(outer);
        pause();
        PartClock.leave(before);
        PartClock.Times times = PartClock.stop();
        assertTrue(times.parts().get(Part.HEAD) >= 2 * PAUSE - SLACK, times.toString());
        assertTrue(times.parts().get(Part.LOSS) >= PAUSE - SLACK, times.toString());
        assertTrue(times.parts().get(Part.LOSS) <= times.seconds() - 2 * PAUSE + SLACK, times.toString());
        assertEquals(times.seconds(), sum(times) + times.waiting(), SLACK);
    }

    @Test
    void aKernelThreadCountsForItsShareAndWaitingForNone() {
        KernelThreads.setCount(2);
        PartClock.start();
        Part before = PartClock.enter(Part.ATTENTION);
        // Two blocks at once, of which one has twice as much to do.
        KernelThreads.run(2, block -> {
            Part own = PartClock.enter(Part.GEMM);
            pause();
            PartClock.leave(own);
            if (block == 1) {
                pause();
            }
        });
        PartClock.leave(before);
        PartClock.Times times = PartClock.stop();
        assertTrue(times.parts().get(Part.GEMM) >= PAUSE - SLACK, times.toString());
        assertTrue(times.parts().get(Part.ATTENTION) >= PAUSE / 2 - SLACK, times.toString());
        assertTrue(sum(times) <= times.seconds() + SLACK, times.toString());
        assertEquals(times.seconds(), sum(times) + times.waiting(), SLACK);
    }

    @Test
    void otherThreadsDoNotCount() throws InterruptedException {
        PartClock.start();
        Thread other = Thread.ofPlatform().start(() -> {
            Part before = PartClock.enter(Part.DATA);
            pause();
            PartClock.leave(before);
        });
        other.join();
        PartClock.Times times = PartClock.stop();
        assertEquals(0, times.parts().get(Part.DATA));
        assertEquals(times.seconds(), times.parts().get(Part.OTHER), SLACK);
    }

    @Test
    void offItSaysNothing() {
        assertNull(PartClock.enter(Part.NORM));
        assertNull(PartClock.current());
        assertThrows(IllegalStateException.class, PartClock::stop);
    }
}
