package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class CosineWithRestartsTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new CosineWithRestarts();
    }

    @Override
    protected List<Record> configs() {
        return List.of(new CosineWithRestarts.Config(1), new CosineWithRestarts.Config(2.5));
    }

    @Test
    void everyRestartIsTheWholeCosineAgain() {
        Schedule schedule = schedule(new CosineWithRestarts.Config(4), 10, 90);
        for (int step = 10; step < 30; step++) {
            assertEquals(schedule.rate(step), schedule.rate(step + 20), ROUNDING);
            assertEquals(schedule.rate(step), schedule.rate(step + 60), ROUNDING);
        }
        assertEquals(PEAK, schedule.rate(30), ROUNDING);
        assertEquals(0, schedule.rate(90));
    }

    @Test
    void oneCycleIsThePlainCosine() {
        Schedule restarts = schedule(new CosineWithRestarts.Config(1), 7, 70);
        Schedule plain = new Cosine().create(PEAK, 7, 70, new Cosine.Config(0.5));
        for (int step = 0; step < 70; step++) {
            assertEquals(plain.rate(step), restarts.rate(step), ROUNDING);
        }
    }

    @Test
    void needsCycles() {
        assertRefused("num_cycles", Map.of("num_cycles", 0));
    }
}
