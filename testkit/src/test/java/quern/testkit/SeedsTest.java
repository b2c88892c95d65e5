package quern.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class SeedsTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    @Test
    void streamsDependOnSeedAndName() {
        assertEquals(Seeds.derive(1, "kill"), Seeds.derive(1, "kill"));
        assertNotEquals(Seeds.derive(1, "kill"), Seeds.derive(2, "kill"));
        assertNotEquals(Seeds.derive(1, "kill"), Seeds.derive(1, "save"));
        assertEquals(Seeds.stream("kill").nextLong(), Seeds.stream("kill").nextLong());
    }

    @Test
    void aPrintedSeedReplaysAnotherProcess() {
        ChildJvm.Result first = ChildJvm.of(PrintDraw.class).run(TIMEOUT);
        String printed = first.stdout().lines().findFirst().orElseThrow();
        String option = printed.substring(printed.indexOf("-D" + Seeds.PROPERTY));
        ChildJvm.Result again = ChildJvm.of(PrintDraw.class).jvmArgs(option).run(TIMEOUT);
        assertEquals(first.stdout(), again.stdout());
    }

    @Test
    void aSeedThatIsNoNumberIsRefused() {
        ChildJvm.Result result =
                ChildJvm.of(PrintDraw.class).jvmArgs("-Dquern.seed=abc").run(TIMEOUT);
        assertEquals(1, result.exitCode());
        assertTrue(result.stderr().contains("quern.seed is \"abc\""), result.stderr());
    }

    /** Prints how to replay, then a draw. */
    static final class PrintDraw {
        public static void main(String[] args) {
            System.out.println(Seeds.stream("draw").nextLong());
        }
    }
}
