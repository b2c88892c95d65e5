package quern.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class SlopeTest {
    /** A handful of additions in double precision. */
    private static final double ROUNDING = 1e-12;

    @Test
    void aLineGivesItsSlope() {
        assertEquals(-2.5, Slope.of(new double[] {0, 1, 5, 9}, new double[] {7, 4.5, -5.5, -15.5}), ROUNDING);
        assertEquals(3.0, Slope.perSample(List.of(10, 13, 16)), ROUNDING);
    }

    @Test
    void offTheLineItIsTheLeastSquaresSlope() {
        // By hand: mean x 1.5, mean y 2.5, sum of products 4, sum of squares 5.
        assertEquals(0.8, Slope.of(new double[] {0, 1, 2, 3}, new double[] {1, 3, 2, 4}), ROUNDING);
    }

    @Test
    void tooFewSamplesAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> Slope.perSample(List.of(1)));
        assertThrows(IllegalArgumentException.class, () -> Slope.of(new double[] {2, 2}, new double[] {1, 3}));
        assertThrows(IllegalArgumentException.class, () -> Slope.of(new double[] {1, 2}, new double[] {1}));
    }
}
