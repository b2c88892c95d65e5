package quern.cli.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class StopSignalsTest {
    private static final int LIMIT_SECONDS = 60;

    /** Says when it is ready, what it heard, and then lives on. */
    static final class Program {
        private Program() {}

        public static void main(String[] args) throws Exception {
            if (args[0].equals("closed")) {
                StopSignals.first(() -> System.out.println("heard")).close();
            } else {
                StopSignals.first(() -> System.out.println("heard"));
            }
            System.out.println("ready");
            Thread.sleep(LIMIT_SECONDS * 1000L);
        }
    }

    private static Process start(String how) throws Exception {
        Process program = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Program.class.getName(),
                        how)
                .redirectErrorStream(true)
                .start();
        assertEquals("ready", program.inputReader(StandardCharsets.UTF_8).readLine());
        return program;
    }

    // Through the handle, since Process.destroy closes the streams as well.
    @Test
    void theFirstSignalRunsTheActionAndTheSecondEndsTheProcess() throws Exception {
        Process program = start("open");
        program.toHandle().destroy();
        assertEquals("heard", program.inputReader(StandardCharsets.UTF_8).readLine());
        assertTrue(program.isAlive(), "one signal does not end it");
        program.toHandle().destroy();
        assertTrue(program.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS));
        assertEquals(130, program.exitValue());
    }

    @Test
    void closingPutsTheJvmsOwnHandlersBack() throws Exception {
        Process program = start("closed");
        program.toHandle().destroy();
        assertTrue(program.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS));
        assertEquals(128 + 15, program.exitValue());
    }
}
