package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.api.Test;
import quern.optim.MetricSchedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class ReduceLrOnPlateauTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new ReduceLrOnPlateau();
    }

    @Override
    protected List<Record> configs() {
        return List.of(bind(Map.of()), bind(Map.of("mode", "max", "threshold_mode", "abs", "cooldown", 2)));
    }

    private MetricSchedule plateau(int warmupSteps, Map<String, ?> kwargs) {
        return (MetricSchedule) schedule(bind(kwargs), warmupSteps, 1_000);
    }

    @Test
    void keepsItsRateWhileTheMetricBecomesBetter() {
        MetricSchedule schedule = plateau(0, Map.of("patience", 0));
        for (int step = 0; step < 200; step++) {
            schedule.observe(step, 5 * Math.pow(0.99, step));
            assertEquals(PEAK, schedule.rate(step + 1));
        }
    }

    @Test
    void fallsAfterMoreThanPatienceEvaluationsWithoutImprovement() {
        MetricSchedule schedule = plateau(0, Map.of("patience", 3, "factor", 0.5));
        schedule.observe(0, 1);
        for (int step = 1; step <= 3; step++) {
            schedule.observe(step, 1);
            assertEquals(PEAK, schedule.rate(step + 1));
        }
        schedule.observe(4, Double.NaN);
        assertEquals(PEAK / 2, schedule.rate(5));
    }

    @Test
    void warmupIsNotObserved() {
        MetricSchedule schedule = plateau(10, Map.of("patience", 0, "factor", 0.5));
        for (int step = 0; step < 10; step++) {
            schedule.observe(step, step);
        }
        schedule.observe(10, 20);
        assertEquals(PEAK, schedule.rate(11));
        schedule.observe(11, 20);
        assertEquals(PEAK / 2, schedule.rate(12));
    }

    @Test
    void neverFallsBelowTheFloor() {
        MetricSchedule schedule = plateau(0, Map.of("patience", 0, "factor", 0.3, "min_lr", PEAK / 5));
        for (int step = 0; step < 30; step++) {
            schedule.observe(step, 1);
        }
        assertEquals(PEAK / 5, schedule.rate(30));
    }

    @Test
    void goesOnFromASavedStateAsIfNeverStopped() {
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(5);
        Map<String, Object> kwargs = Map.of("patience", 2, "factor", 0.8, "cooldown", 3, "threshold", 0.01);
        MetricSchedule whole = plateau(5, kwargs);
        MetricSchedule part = plateau(5, kwargs);
        for (int step = 0; step < 120; step++) {
            double metric = 2 + 1.0 / (1 + step) + 0.1 * random.nextDouble();
            whole.observe(step, metric);
            part.observe(step, metric);
            Map<String, Double> saved = part.state();
            assertTrue(saved.values().stream().allMatch(Double::isFinite));
            part = plateau(5, kwargs);
            part.load(saved);
            assertEquals(whole.rate(step + 1), part.rate(step + 1));
            assertEquals(whole.state(), part.state());
        }
        assertTrue(whole.rate(121) < PEAK / 10);
    }

    @Test
    void wrongSettingsAreRefused() {
        assertRefused("factor", Map.of("factor", 1));
        assertRefused("mode", Map.of("mode", "least"));
        assertRefused("threshold_mode", Map.of("threshold_mode", "relative"));
        assertRefused("patience", Map.of("patience", -1));
    }
}
