package quern.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ResidentMemoryTest {
    private static final long ALLOCATED = 64L << 20;
    /** Other threads of the test's JVM allocate and free meanwhile. */
    private static final long NOISE = 16L << 20;

    @Test
    void nativeMemoryCountsWhileItIsHeld() {
        long before = ResidentMemory.now().anonymous();
        long held;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(ALLOCATED);
            memory.fill((byte) 1);
            held = ResidentMemory.now().anonymous();
        }
        ResidentMemory after = ResidentMemory.now();
        assertTrue(held - before > ALLOCATED - NOISE, "grew by " + (held - before));
        assertTrue(held - after.anonymous() > ALLOCATED - NOISE, "fell by " + (held - after.anonymous()));
        assertTrue(after.peak() >= held, "the peak forgets nothing");
    }

    @Test
    void mappingsAddUpToTheTotal() {
        Map<String, Long> mappings = ResidentMemory.byMapping();
        long sum = mappings.values().stream().mapToLong(Long::longValue).sum();
        long total = ResidentMemory.now().total();
        assertTrue(Math.abs(sum - total) < 4 * NOISE, sum + " by mapping, " + total + " in all");
        assertTrue(mappings.keySet().stream().anyMatch(name -> name.endsWith("libjvm.so")), mappings.toString());
    }

    @Test
    void mappingsOfOneNameAreSummedAndSorted() {
        List<String> smaps = List.of(
                "00400000-00452000 r-xp 00000000 08:02 173521      /lib/a b.so",
                "Size:                328 kB",
                "Rss:                   4 kB",
                "00651000-00652000 rw-p 00000000 00:00 0",
                "Rss:                  12 kB",
                "VmFlags: rd wr",
                "00700000-00752000 r--p 00000000 08:02 173521      /lib/a b.so",
                "Rss:                  20 kB");
        Map<String, Long> mappings = ResidentMemory.byMapping(smaps);
        assertEquals(List.of("/lib/a b.so", "[anonymous]"), List.copyOf(mappings.keySet()));
        assertEquals(List.of(24L * 1024, 12L * 1024), List.copyOf(mappings.values()));
    }

    @Test
    void anEndedProcessIsAnError() {
        try (ChildJvm child = ChildJvm.ofCommand("sleep", "60").start()) {
            assertTrue(ResidentMemory.of(child.pid()).total() > 0);
            child.kill();
            child.awaitExit(java.time.Duration.ofSeconds(10));
            assertThrows(UncheckedIOException.class, () -> ResidentMemory.of(child.pid()));
        }
    }
}
