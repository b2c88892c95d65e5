package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class CosineWithMinLrTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new CosineWithMinLr();
    }

    @Override
    protected List<Record> configs() {
        return List.of(
                new CosineWithMinLr.Config(Optional.of(PEAK / 10), Optional.empty(), 0.5),
                new CosineWithMinLr.Config(Optional.empty(), Optional.of(0.25), 0.5),
                new CosineWithMinLr.Config(Optional.empty(), Optional.of(0.0), 1.5));
    }

    @Test
    void endsAtTheFloorAndNeverGoesBelow() {
        for (Record config : configs().subList(0, 2)) {
            Schedule schedule = schedule(config, 10, 60);
            double floor = ((CosineWithMinLr.Config) config).minLr().orElse(PEAK / 4);
            assertEquals(floor, schedule.rate(60), ROUNDING);
            for (int step = 10; step < 60; step++) {
                assertTrue(schedule.rate(step) > schedule.rate(step + 1));
            }
        }
    }

    @Test
    void needsExactlyOneFloorAtMostThePeak() {
        assertRefused("needs min_lr or min_lr_rate", Map.of());
        assertRefused("min_lr_rate", Map.of("min_lr", 1e-4, "min_lr_rate", 0.1));
        assertRefused("min_lr_rate", Map.of("min_lr_rate", 1.5));
        assertRefused("min_lr", Map.of("min_lr", PEAK * 2));
    }
}
