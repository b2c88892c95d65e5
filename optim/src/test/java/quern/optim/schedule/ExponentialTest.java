package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class ExponentialTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new Exponential();
    }

    @Override
    protected List<Record> configs() {
        return List.of(new Exponential.Config(0.9), new Exponential.Config(1));
    }

    @Test
    void halvesInEqualTimes() {
        Schedule schedule = schedule(new Exponential.Config(Math.pow(0.5, 1.0 / 7)), 5, 60);
        for (int step = 5; step < 53; step++) {
            assertEquals(schedule.rate(step) / 2, schedule.rate(step + 7), ROUNDING);
        }
    }

    @Test
    void needsAFactorAboveZero() {
        assertRefused("gamma", Map.of());
        assertRefused("gamma", Map.of("gamma", 0));
        assertRefused("did you mean 'gamma'", Map.of("gama", 0.9));
    }
}
