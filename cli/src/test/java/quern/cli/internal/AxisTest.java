package quern.cli.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class AxisTest {
    @Test
    void ticksAreRound() {
        Axis axis = new Axis(0, 1930, 5);
        assertEquals(List.of(0.0, 500.0, 1000.0, 1500.0), axis.ticks());
        assertEquals("1500", axis.label(1500));
        assertEquals("20k", new Axis(0, 50_000, 5).label(20_000));
        assertEquals(
                List.of("1.6", "1.8", "2.0"),
                new Axis(1.53, 2.1, 3)
                        .ticks().stream().map(new Axis(1.53, 2.1, 3)::label).toList());
        assertEquals(0.5, new Axis(0, 10, 3).position(5));
    }

    @Property(tries = 300)
    void thereAreTicksAndAllLieOnTheAxis(
            @ForAll @DoubleRange(min = -1e6, max = 1e6) double low,
            @ForAll @DoubleRange(min = 0, max = 1e6) double length,
            @ForAll @IntRange(min = 1, max = 20) int ticks) {
        Axis axis = new Axis(low, low + length, ticks);
        assertTrue(axis.ticks().size() <= ticks + 2, "not too many");
        for (double tick : axis.ticks()) {
            // Rounding of a tick that lies on an end.
            assertTrue(axis.position(tick) > -1e-6 && axis.position(tick) < 1 + 1e-6, tick + " on " + axis);
            assertTrue(!axis.label(tick).isEmpty());
        }
    }
}
