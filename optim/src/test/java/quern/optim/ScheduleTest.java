package quern.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;

class ScheduleTest {
    @ParameterizedTest
    @CsvSource({"0, 100, 0", "0.1, 100, 10", "0.1, 101, 11", "0.999, 10, 10", "1, 100, 1", "7, 100, 7", "100, 100, 100"
    })
    void warmupIsAShareOfTheTrainingBelowOneAndStepsFromOne(double written, int maxSteps, int steps) {
        assertEquals(steps, Schedule.warmupSteps(written, maxSteps));
    }

    @ParameterizedTest
    @ValueSource(doubles = {-1, -0.1, 1.5, 101, 1e12, Double.NaN})
    void otherWarmupIsBadInput(double written) {
        QuernException e = assertThrows(QuernException.class, () -> Schedule.warmupSteps(written, 100));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith("warmup_steps: found "), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void tooLongWarmupNamesBothLengths() {
        QuernException e = assertThrows(QuernException.class, () -> Schedule.warmupSteps(200, 100));
        assertEquals(
                "warmup_steps: found 200, longer than the training of 100 steps; lower it or raise max_steps",
                e.getMessage());
    }
}
