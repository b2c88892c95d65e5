package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class CyclicalTest extends ScheduleContract {
    private static final double BASE = PEAK / 8;

    @Override
    protected ScheduleTechnique technique() {
        return new Cyclical();
    }

    @Override
    protected List<Record> configs() {
        return List.of(
                bind(Map.of("base_lr", BASE, "step_size_up", 6)),
                bind(Map.of("base_lr", BASE, "step_size_up", 3, "step_size_down", 11, "mode", "triangular2")),
                bind(Map.of("base_lr", BASE, "max_lr", PEAK / 2, "mode", "exp_range", "gamma", 0.97)));
    }

    @Override
    protected double firstRate(Record config) {
        return BASE;
    }

    @Test
    void equalCyclesComeBackToTheSameRates() {
        Schedule schedule = schedule(bind(Map.of("base_lr", BASE, "step_size_up", 5, "step_size_down", 8)), 4, 80);
        for (int step = 4; step < 60; step++) {
            assertEquals(schedule.rate(step), schedule.rate(step + 13), ROUNDING);
        }
        assertEquals(PEAK, schedule.rate(4 + 5), ROUNDING);
        assertEquals(BASE, schedule.rate(4 + 13), ROUNDING);
    }

    @Test
    void laterCyclesAreHalfAsHighInTriangular2() {
        Schedule schedule = schedule(bind(Map.of("base_lr", BASE, "step_size_up", 5, "mode", "triangular2")), 0, 80);
        for (int step = 0; step < 60; step++) {
            assertEquals((schedule.rate(step) - BASE) / 2, schedule.rate(step + 10) - BASE, ROUNDING);
        }
    }

    @Test
    void heightsFallByGammaEveryStepInExpRange() {
        Map<String, Object> kwargs = Map.of("base_lr", BASE, "step_size_up", 5, "mode", "exp_range", "gamma", 0.9);
        Schedule schedule = schedule(bind(kwargs), 0, 80);
        for (int step = 0; step < 60; step++) {
            assertEquals((schedule.rate(step) - BASE) * Math.pow(0.9, 10), schedule.rate(step + 10) - BASE, ROUNDING);
        }
    }

    @Test
    void theBoundThatIsLeftOutIsTheLearningRate() {
        Schedule fromBase = schedule(bind(Map.of("max_lr", 2 * PEAK, "step_size_up", 5)), 0, 40);
        assertEquals(PEAK, fromBase.rate(0), ROUNDING);
        assertEquals(2 * PEAK, fromBase.rate(5), ROUNDING);
        Schedule toMax = schedule(bind(Map.of("base_lr", BASE, "step_size_up", 5)), 0, 40);
        assertEquals(PEAK, toMax.rate(5), ROUNDING);
        assertTrue(toMax.rate(0) < PEAK);
    }

    @Test
    void contradictionsAndSettingsWithoutEffectAreRefused() {
        assertRefused("needs base_lr or max_lr", Map.of("step_size_up", 5));
        assertRefused("base_lr", Map.of("base_lr", 2 * PEAK));
        assertRefused("gamma: has no effect", Map.of("base_lr", BASE, "gamma", 0.9));
        assertRefused("step_size_up", Map.of("base_lr", BASE, "step_size_up", 0));
        assertRefused("cycle_momentum", Map.of("base_lr", BASE, "cycle_momentum", true));
        assertRefused("did you mean 'triangular'", Map.of("base_lr", BASE, "mode", "triangular3"));
    }
}
