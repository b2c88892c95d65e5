package quern.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import quern.optim.internal.ScheduleReplay;
import quern.recipe.Block;
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

    /** The rate at the first step after warm-up. */
    protected double firstRate(Record config) {
        return PEAK;
    }

    /** The rate at which warm-up begins. */
    protected double warmupStart(Record config) {
        return 0;
    }

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
    void risesInEqualStepsToThePeak() {
        for (Record config : configs()) {
            Schedule schedule = schedule(config, 8, 50);
            double start = warmupStart(config);
            for (int step = 0; step < 8; step++) {
                assertEquals(start + (PEAK - start) * step / 8, schedule.rate(step), ROUNDING);
            }
            assertEquals(firstRate(config), schedule.rate(8), ROUNDING);
        }
    }

    @Test
    void beginsAtItsFirstRateWithoutWarmup() {
        for (Record config : configs()) {
            assertEquals(firstRate(config), schedule(config, 0, 50).rate(0), ROUNDING);
        }
    }

    @Test
    void saysWhetherItFollowsAMetric() {
        for (Record config : configs()) {
            assertEquals(technique().followsMetric(), schedule(config, 0, 50) instanceof MetricSchedule);
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
    void isARateFarPastTheEndAndRefusesNegativeSteps() {
        for (Record config : configs()) {
            Schedule schedule = schedule(config, 3, 40);
            for (int step : new int[] {40, 41, 1_000_000, Integer.MAX_VALUE}) {
                double rate = schedule.rate(step);
                assertTrue(rate >= 0 && rate <= PEAK + ROUNDING, () -> "rate " + rate);
            }
            assertThrows(IllegalArgumentException.class, () -> schedule.rate(-1));
        }
    }

    @Test
    void refusesRatesThatAreNone() {
        for (Record config : configs()) {
            for (double rate : new double[] {-1e-3, Double.NaN, Double.POSITIVE_INFINITY}) {
                QuernException e =
                        assertThrows(QuernException.class, () -> technique().create(rate, 3, 40, config));
                assertEquals(ExitCode.BAD_INPUT, e.exitCode());
                assertTrue(e.getMessage().contains("learning_rate"), e.getMessage());
                assertEquals(1, e.getMessage().lines().count());
            }
        }
    }

    /** The settings that a recipe's {@code lr_scheduler_kwargs} of these keys mean. */
    protected final Record bind(Map<String, ?> kwargs) {
        Block block = Block.empty(Position.of("lr_scheduler_kwargs"));
        for (var entry : kwargs.entrySet()) {
            block = block.with(entry.getKey(), entry.getValue());
        }
        return block.bind(technique().config());
    }

    /** Expects settings to be bad input, with one line that contains {@code expected}. */
    protected final void assertRefused(String expected, Map<String, ?> kwargs) {
        QuernException e = assertThrows(QuernException.class, () -> schedule(bind(kwargs), 5, 40));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().contains(expected), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
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
