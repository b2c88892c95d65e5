package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class InverseSqrtTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new InverseSqrt();
    }

    @Override
    protected List<Record> configs() {
        return List.of(new InverseSqrt.Config(Optional.empty()), new InverseSqrt.Config(Optional.of(3)));
    }

    @Test
    void fourTimesAsLateIsHalfTheRate() {
        Schedule schedule = schedule(new InverseSqrt.Config(Optional.empty()), 10, 500);
        for (int step = 10; step < 100; step++) {
            assertEquals(schedule.rate(step) / 2, schedule.rate(4 * step), ROUNDING);
        }
    }

    @Test
    void theTimescaleIsTheTimeOfAFallByTheRootOfTwo() {
        Schedule schedule = schedule(new InverseSqrt.Config(Optional.of(37)), 10, 500);
        assertEquals(PEAK / Math.sqrt(2), schedule.rate(47), ROUNDING);
        Schedule withoutWarmup = schedule(new InverseSqrt.Config(Optional.empty()), 0, 50_000);
        assertEquals(PEAK / Math.sqrt(2), withoutWarmup.rate(10_000), ROUNDING);
    }

    @Test
    void theTimescaleIsAStepAtLeast() {
        assertRefused("timescale", Map.of("timescale", 0));
    }
}
