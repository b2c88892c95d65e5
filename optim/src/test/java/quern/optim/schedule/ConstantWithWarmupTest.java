package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class ConstantWithWarmupTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new ConstantWithWarmup();
    }

    @Override
    protected List<Record> configs() {
        return List.of(new ConstantWithWarmup.Config());
    }

    @Test
    void neverLeavesThePeakAfterWarmup() {
        Schedule schedule = schedule(configs().getFirst(), 5, 60);
        for (int step = 5; step <= 60; step++) {
            assertEquals(PEAK, schedule.rate(step));
        }
    }
}
