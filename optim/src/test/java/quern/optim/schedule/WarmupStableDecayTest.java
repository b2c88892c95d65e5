package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;
import quern.recipe.Position;
import quern.recipe.Techniques;

class WarmupStableDecayTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new WarmupStableDecay();
    }

    @Override
    protected List<Record> configs() {
        return List.of(
                bind(Map.of("num_decay_steps", 10, "num_stable_steps", 20)),
                bind(Map.of("num_decay_steps", 8, "num_stable_steps", 3, "min_lr_ratio", 0.25)),
                bind(Map.of("num_decay_steps", 9, "num_stable_steps", 7, "decay_type", "1-sqrt")));
    }

    @Override
    protected double warmupStart(Record config) {
        return PEAK * ((WarmupStableDecay.Config) config).minLrRatio();
    }

    @Test
    void stopsFallingExactlyAtTheEnd() {
        for (String decay : List.of("linear", "cosine", "1-sqrt")) {
            Schedule schedule =
                    schedule(bind(Map.of("num_decay_steps", 15, "decay_type", decay, "min_lr_ratio", 0.1)), 10, 60);
            for (int step = 10; step <= 45; step++) {
                assertEquals(PEAK, schedule.rate(step));
            }
            for (int step = 45; step < 60; step++) {
                assertTrue(schedule.rate(step) > schedule.rate(step + 1));
            }
            assertEquals(PEAK / 10, schedule.rate(60), ROUNDING);
            assertEquals(PEAK / 10, schedule.rate(61), ROUNDING);
        }
    }

    @Test
    void everyRiseReachesThePeak() {
        for (String rise : List.of("linear", "cosine", "1-sqrt")) {
            Schedule schedule = schedule(bind(Map.of("num_decay_steps", 5, "warmup_type", rise)), 20, 60);
            assertEquals(0, schedule.rate(0), ROUNDING);
            for (int step = 0; step < 20; step++) {
                assertTrue(schedule.rate(step) < schedule.rate(step + 1));
            }
            assertEquals(PEAK, schedule.rate(20));
        }
    }

    @Test
    void isListedOnceAndFoundByBothNames() {
        assertSame(
                WarmupStableDecay.class,
                Techniques.find(
                                ScheduleTechnique.class,
                                ScheduleTechnique.KIND,
                                "warmup_stable_decay",
                                Position.of("test"))
                        .getClass());
        assertFalse(Techniques.all().stream().anyMatch(t -> t.id().equals("warmup_stable_decay")));
    }

    @Test
    void wrongSettingsAreRefused() {
        assertRefused("num_decay_steps", Map.of());
        assertRefused("num_decay_steps: found 36, more than the 35 steps", Map.of("num_decay_steps", 36));
        assertRefused("decay_type: expected linear", Map.of("num_decay_steps", 5, "decay_type", "sqrt"));
        assertRefused("warmup_type: expected linear", Map.of("num_decay_steps", 5, "warmup_type", "exp"));
        assertRefused(
                "num_cycles: has no effect", Map.of("num_decay_steps", 5, "decay_type", "linear", "num_cycles", 1));
        assertRefused("min_lr_ratio", Map.of("num_decay_steps", 5, "min_lr_ratio", 2));
    }
}
