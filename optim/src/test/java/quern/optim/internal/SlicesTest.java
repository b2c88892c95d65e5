package quern.optim.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import quern.tensor.kernel.KernelThreads;

class SlicesTest {
    @Test
    void everyElementIsCoveredOnce() {
        for (int[] runs :
                new int[][] {{}, {0}, {1}, {0, 0, 5}, {32_768}, {32_769, 1, 0, 70_000}, {3, 4, 5, 32_766, 2, 100_000, 7}
                }) {
            long[] lengths = new long[runs.length];
            AtomicIntegerArray[] seen = new AtomicIntegerArray[runs.length];
            for (int i = 0; i < runs.length; i++) {
                lengths[i] = runs[i];
                seen[i] = new AtomicIntegerArray(runs[i]);
            }
            Slices slices = new Slices(lengths);
            AtomicLong calls = new AtomicLong();
            slices.run((slice, owner, begin, length) -> {
                calls.incrementAndGet();
                assertEquals(owner, slices.owner(slice));
                for (int i = 0; i < length; i++) {
                    seen[owner].incrementAndGet((int) begin + i);
                }
            });
            assertEquals(slices.count(), calls.get());
            for (AtomicIntegerArray run : seen) {
                for (int i = 0; i < run.length(); i++) {
                    assertEquals(1, run.get(i));
                }
            }
        }
    }

    @Test
    void blocksStayWhole() {
        long[] runs = {70_000, 3 * 40_000, 12, 0, 5 * 9_000};
        long[] blocks = {1, 40_000, 4, 1, 9_000};
        long[] covered = new long[runs.length];
        int before = KernelThreads.count();
        KernelThreads.setCount(1);
        try {
            new Slices(runs, blocks).run((slice, owner, begin, length) -> {
                assertEquals(0, begin % blocks[owner]);
                assertEquals(0, length % blocks[owner]);
                assertEquals(covered[owner], begin, "in order");
                covered[owner] += length;
            });
        } finally {
            KernelThreads.setCount(before);
        }
        assertArrayEquals(runs, covered);
    }
}
