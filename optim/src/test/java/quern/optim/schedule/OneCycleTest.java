package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class OneCycleTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new OneCycle();
    }

    @Override
    protected List<Record> configs() {
        return List.of(
                bind(Map.of()),
                bind(Map.of("three_phase", true, "anneal_strategy", "linear")),
                bind(Map.of("pct_start", 0.9, "three_phase", true)));
    }

    @Override
    protected double firstRate(Record config) {
        return PEAK / 25;
    }

    @Test
    void risesToThePeakThenFallsFarBelowItsStart() {
        for (String anneal : List.of("cos", "linear")) {
            Schedule schedule = schedule(
                    bind(Map.of(
                            "pct_start", 0.5, "anneal_strategy", anneal, "div_factor", 10, "final_div_factor", 100)),
                    0,
                    40);
            assertEquals(PEAK / 10, schedule.rate(0), ROUNDING);
            assertEquals(PEAK, schedule.rate(19), ROUNDING);
            assertEquals(PEAK / 1000, schedule.rate(39), ROUNDING);
            for (int step = 0; step < 39; step++) {
                assertEquals(step < 19, schedule.rate(step) < schedule.rate(step + 1));
            }
        }
    }

    @Test
    void theFallMirrorsTheRiseInThreePhases() {
        Schedule schedule = schedule(bind(Map.of("three_phase", true, "pct_start", 0.25)), 0, 80);
        for (int step = 0; step <= 19; step++) {
            assertEquals(schedule.rate(19 - step), schedule.rate(19 + step), ROUNDING);
        }
        assertTrue(schedule.rate(79) < schedule.rate(0) / 1_000);
    }

    @Test
    void isARateWhateverTheShareAndTheLength() {
        for (boolean three : new boolean[] {false, true}) {
            for (double share : new double[] {0, 0.1, 0.5, 1}) {
                for (int steps = 1; steps <= 12; steps++) {
                    Schedule schedule = schedule(bind(Map.of("three_phase", three, "pct_start", share)), 0, steps);
                    for (int step = 0; step <= steps; step++) {
                        double rate = schedule.rate(step);
                        assertTrue(rate >= 0 && rate <= PEAK + ROUNDING, "rate " + rate);
                    }
                }
            }
        }
    }

    @Test
    void itsLengthCanBeGiven() {
        Schedule shorter = schedule(bind(Map.of("total_steps", 20)), 5, 60);
        assertEquals(PEAK / 25 / 1e4, shorter.rate(5 + 19), ROUNDING);
        assertEquals(shorter.rate(26), shorter.rate(50));
    }

    @Test
    void wrongSettingsAreRefused() {
        assertRefused("pct_start", Map.of("pct_start", 1.5));
        assertRefused("div_factor", Map.of("div_factor", 0));
        assertRefused("anneal_strategy", Map.of("anneal_strategy", "cosine"));
        assertRefused("cycle_momentum", Map.of("cycle_momentum", true));
    }
}
