package quern.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChildJvmTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final int KILLED = 128 + 9;

    /** Says what it was started with, or waits after a line until a signal comes. */
    static final class Child {
        public static void main(String[] args) throws Exception {
            switch (args[0]) {
                case "echo" -> {
                    System.out.println(args[1] + " " + System.getProperty("given") + " " + System.getenv("GIVEN"));
                    System.err.println("to stderr");
                    System.out.print("vector module "
                            + ModuleLayer.boot()
                                    .findModule("jdk.incubator.vector")
                                    .isPresent());
                    System.exit(7);
                }
                case "wait" -> {
                    Path marker = Path.of(args[1]);
                    Runtime.getRuntime().addShutdownHook(new Thread(() -> write(marker)));
                    System.out.println("ready");
                    Thread.sleep(Duration.ofMinutes(5));
                }
                default -> throw new IllegalArgumentException(args[0]);
            }
        }

        private static void write(Path marker) {
            try {
                Files.writeString(marker, "hook ran");
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
    }

    @Test
    void aChildHasTheJvmArgsArgumentsAndEnvironmentAndIsCaptured() {
        ChildJvm.Result result = ChildJvm.of(Child.class, "echo", "größe")
                .jvmArgs("-Dgiven=property")
                .environment("GIVEN", "variable")
                .run(TIMEOUT);
        assertEquals(7, result.exitCode(), result.stderr());
        assertEquals("größe property variable\nvector module true", result.stdout());
        assertTrue(result.stderr().contains("to stderr"), result.stderr());
    }

    @Test
    void sigkillRunsNoHookAndSigtermDoes(@TempDir Path folder) {
        Path killed = folder.resolve("killed");
        try (ChildJvm child =
                ChildJvm.of(Child.class, "wait", killed.toString()).start()) {
            assertEquals("ready", child.awaitLine(line -> line.startsWith("rea"), TIMEOUT));
            child.kill();
            assertEquals(KILLED, child.awaitExit(TIMEOUT).exitCode());
        }
        assertFalse(Files.exists(killed));
        Path terminated = folder.resolve("terminated");
        try (ChildJvm child =
                ChildJvm.of(Child.class, "wait", terminated.toString()).start()) {
            child.awaitLine("ready"::equals, TIMEOUT);
            child.terminate();
            assertEquals(128 + 15, child.awaitExit(TIMEOUT).exitCode());
        }
        assertTrue(Files.exists(terminated));
    }

    @Test
    void interruptSendsSigint(@TempDir Path folder) {
        Path marker = folder.resolve("interrupted");
        try (ChildJvm child =
                ChildJvm.of(Child.class, "wait", marker.toString()).start()) {
            child.awaitLine("ready"::equals, TIMEOUT);
            child.interrupt();
            assertEquals(128 + 2, child.awaitExit(TIMEOUT).exitCode());
        }
        assertTrue(Files.exists(marker));
    }

    @Test
    void anAwaitedLineThatDoesNotComeFailsWithTheOutput() {
        try (ChildJvm child =
                ChildJvm.ofCommand("sh", "-c", "echo one; echo two >&2").start()) {
            assertEquals("two", child.awaitLine("two"::equals, TIMEOUT));
            AssertionError ended = assertThrows(AssertionError.class, () -> child.awaitLine("three"::equals, TIMEOUT));
            assertTrue(ended.getMessage().contains("one"), ended.getMessage());
        }
        try (ChildJvm child = ChildJvm.ofCommand("sleep", "60").start()) {
            assertThrows(AssertionError.class, () -> child.awaitLine("x"::equals, Duration.ofMillis(50)));
            assertThrows(AssertionError.class, () -> child.awaitExit(Duration.ofMillis(50)));
            assertFalse(child.isAlive());
        }
    }

    @Test
    void progressBarsRedrawnWithCarriageReturnsAreLines() {
        ChildJvm.Result result =
                ChildJvm.ofCommand("printf", "step 1\\rstep 2\\rdone").run(TIMEOUT);
        assertEquals("step 1\rstep 2\rdone", result.stdout());
        try (ChildJvm child =
                ChildJvm.ofCommand("printf", "step 1\\rstep 2\\rdone").start()) {
            assertEquals("step 2", child.awaitLine(line -> line.endsWith("2"), TIMEOUT));
            assertEquals("done", child.awaitLine("done"::equals, TIMEOUT));
        }
    }

    @Test
    void killingALauncherKillsWhatItStarted() {
        try (ChildJvm child =
                ChildJvm.ofCommand("sh", "-c", "sleep 300 & echo $!; wait").start()) {
            long grandchild = Long.parseLong(child.awaitLine(line -> line.matches("\\d+"), TIMEOUT));
            assertTrue(ProcessHandle.of(grandchild).orElseThrow().isAlive());
            child.kill();
            child.awaitExit(TIMEOUT);
            long deadline = System.nanoTime() + TIMEOUT.toNanos();
            while (ProcessHandle.of(grandchild).map(ProcessHandle::isAlive).orElse(false)) {
                assertTrue(System.nanoTime() < deadline, "the grandchild still runs");
                ChildJvm.pause();
            }
        }
    }

    @Test
    void theKillerKillsAtALineAMarkerAndARandomMoment(@TempDir Path folder) {
        ProcessKiller killer = new ProcessKiller(Seeds.stream("killer"));
        try (ChildJvm child =
                ChildJvm.ofCommand("sh", "-c", "echo saving; exec sleep 60").start()) {
            ProcessKiller.Kill kill =
                    killer.whenLine(child, line -> line.contains("saving"), Duration.ofMillis(20), TIMEOUT);
            assertTrue(kill.killed());
            assertEquals(KILLED, child.awaitExit(TIMEOUT).exitCode());
        }
        Path marker = folder.resolve("marker");
        try (ChildJvm child = ChildJvm.ofCommand("sh", "-c", "sleep 0.1; touch '" + marker + "'; exec sleep 60")
                .start()) {
            assertTrue(killer.whenExists(child, marker, TIMEOUT).killed());
            assertEquals(KILLED, child.awaitExit(TIMEOUT).exitCode());
        }
        try (ChildJvm child = ChildJvm.ofCommand("sleep", "60").start()) {
            ProcessKiller.Kill kill = killer.atRandomMoment(child, Duration.ofMillis(30), Duration.ofMillis(60));
            assertTrue(kill.killed());
            assertTrue(kill.after().toMillis() >= 30, "killed after " + kill.after());
            assertEquals(KILLED, child.awaitExit(TIMEOUT).exitCode());
        }
    }

    @Test
    void aChildThatEndsFirstIsReportedAsNotKilled() {
        ProcessKiller killer = new ProcessKiller(new SplittableRandom(1));
        try (ChildJvm child = ChildJvm.ofCommand("true").start()) {
            assertFalse(killer.atRandomMoment(child, Duration.ofSeconds(20), Duration.ofSeconds(30))
                    .killed());
            assertEquals(0, child.awaitExit(TIMEOUT).exitCode());
            assertThrows(AssertionError.class, () -> killer.whenExists(child, Path.of("/no/such/marker"), TIMEOUT));
        }
    }
}
