package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class LinearTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new Linear();
    }

    @Override
    protected List<Record> configs() {
        return List.of(new Linear.Config());
    }

    @Test
    void fallsInEqualStepsToZero() {
        Schedule schedule = schedule(configs().getFirst(), 10, 60);
        for (int step = 10; step < 60; step++) {
            assertEquals(PEAK / 50, schedule.rate(step) - schedule.rate(step + 1), ROUNDING);
        }
        assertEquals(0, schedule.rate(60));
    }
}
