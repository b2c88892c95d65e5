package quern.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import quern.optim.internal.ScheduleReplay;
import quern.recipe.ExitCode;
import quern.recipe.GoldenCase;
import quern.recipe.Goldens;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.Techniques;

/**
 * What every schedule must keep: parity with its goldens, a linear rise over warm-up, rates between 0 and the peak, and
 * being a function of the step alone. A technique's test extends this class and adds a law of its own.
 */
public abstract class ScheduleContract {
    /** The peak rate of {@link #schedule}. */
    protected static final double PEAK = 4e-3;

    /** Rounding of a few operations in double. */
    protected static final double ROUNDING = 1e-15;

    /** The technique under test. */
    protected abstract ScheduleTechnique technique();

    /** Its configurations. */
    protected abstract List<Record> configs();

    /** The schedule with the peak {@link #PEAK}. */
    protected final Schedule schedule(Record config, int warmupSteps, int maxSteps) {
        return technique().create(PEAK, warmupSteps, maxSteps, config);
    }

    @Test
    void isFoundByItsName() {
        assertSame(
                technique().getClass(),
                Techniques.find(
                                ScheduleTechnique.class,
                                ScheduleTechnique.KIND,
                                technique().id(),
                                Position.of("test"))
                        .getClass());
    }

    @TestFactory
    Stream<DynamicTest> equalsItsGoldens() {
        Path goldens = Path.of(System.getProperty("quern.root"), "goldens");
        List<GoldenCase> cases = Goldens.find(List.of(goldens)).stream()
                .filter(c -> c.kind().equals("schedule")
                        && c.json()
                                .path("lr_scheduler_type")
                                .asString()
                                .equals(technique().id()))
                .toList();
        assertFalse(cases.isEmpty(), "no golden of " + technique().id());
        return cases.stream()
                .map(c -> dynamicTest(c.name(), () -> {
                    for (var check : new ScheduleReplay().replay(c)) {
                        assertTrue(check.ok(), () -> check.toString());
                    }
                }));
    }

    @Test
    void risesInEqualStepsFromZeroToThePeak() {
        for (Record config : configs()) {
            Schedule schedule = schedule(config, 8, 50);
            for (int step = 0; step <= 8; step++) {
                assertEquals(PEAK * step / 8, schedule.rate(step), ROUNDING);
            }
        }
    }

    @Test
    void beginsAtThePeakWithoutWarmup() {
        for (Record config : configs()) {
            assertEquals(PEAK, schedule(config, 0, 50).rate(0), ROUNDING);
        }
    }

    @Test
    void staysBetweenZeroAndThePeakInAnyOrderOfAsking() {
        for (Record config : configs()) {
            for (int[] run : new int[][] {{0, 1}, {1, 1}, {5, 5}, {3, 40}, {0, 1_000}}) {
                Schedule schedule = schedule(config, run[0], run[1]);
                Schedule again = schedule(config, run[0], run[1]);
                for (int step = 0; step <= run[1]; step++) {
                    double rate = schedule.rate(step);
                    assertTrue(rate >= 0 && rate <= PEAK + ROUNDING, () -> "rate " + rate);
                    assertEquals(again.rate(run[1] - step), schedule.rate(run[1] - step));
                    assertEquals(rate, schedule.rate(step));
                }
            }
        }
    }

    @Test
    void holdsItsLastRateAndRefusesNegativeSteps() {
        for (Record config : configs()) {
            Schedule schedule = schedule(config, 3, 40);
            assertEquals(schedule.rate(40), schedule.rate(41));
            assertEquals(schedule.rate(40), schedule.rate(Integer.MAX_VALUE));
            assertThrows(IllegalArgumentException.class, () -> schedule.rate(-1));
        }
    }

    @Test
    void refusesWarmupThatOutlastsTheTraining() {
        for (Record config : configs()) {
            QuernException e = assertThrows(QuernException.class, () -> schedule(config, 51, 50));
            assertEquals(ExitCode.BAD_INPUT, e.exitCode());
            assertTrue(e.getMessage().contains("warmup_steps") && e.getMessage().contains("51"), e.getMessage());
        }
    }
}
