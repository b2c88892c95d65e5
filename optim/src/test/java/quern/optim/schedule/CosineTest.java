package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class CosineTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new Cosine();
    }

    @Override
    protected List<Record> configs() {
        return List.of(new Cosine.Config(0.5), new Cosine.Config(1.25));
    }

    @Test
    void halfAWaveIsPointSymmetricAboutHalfThePeak() {
        Schedule schedule = schedule(new Cosine.Config(0.5), 10, 60);
        for (int step = 0; step <= 50; step++) {
            assertEquals(PEAK, schedule.rate(10 + step) + schedule.rate(60 - step), ROUNDING);
        }
        assertEquals(0, schedule.rate(60), ROUNDING);
    }

    @Test
    void aWholeWaveComesBackToThePeak() {
        Schedule schedule = schedule(new Cosine.Config(1), 10, 60);
        assertEquals(0, schedule.rate(35), ROUNDING);
        assertEquals(PEAK, schedule.rate(60), ROUNDING);
    }
}
