package quern.optim.schedule;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import quern.optim.Schedule;
import quern.optim.ScheduleContract;
import quern.optim.ScheduleTechnique;

class PolynomialTest extends ScheduleContract {
    @Override
    protected ScheduleTechnique technique() {
        return new Polynomial();
    }

    @Override
    protected List<Record> configs() {
        return List.of(new Polynomial.Config(1e-7, 1), new Polynomial.Config(0, 0.5), new Polynomial.Config(1e-4, 3));
    }

    @Test
    void itsHeightIsAPowerOfTheShareThatIsLeft() {
        Schedule line = schedule(new Polynomial.Config(PEAK / 10, 1), 10, 60);
        Schedule square = schedule(new Polynomial.Config(PEAK / 10, 2), 10, 60);
        double height = PEAK - PEAK / 10;
        for (int step = 10; step <= 60; step++) {
            double share = (line.rate(step) - PEAK / 10) / height;
            assertEquals((60 - step) / 50.0, share, ROUNDING / PEAK);
            assertEquals(share * share, (square.rate(step) - PEAK / 10) / height, ROUNDING / PEAK);
        }
        assertEquals(PEAK / 10, square.rate(60));
        assertEquals(PEAK / 10, square.rate(61));
    }

    @Test
    void theEndMustBeBelowThePeak() {
        assertRefused("lr_end", Map.of("lr_end", PEAK));
        assertRefused("lr_end", Map.of("lr_end", -1e-5));
        assertRefused("power", Map.of("power", 0));
    }
}
