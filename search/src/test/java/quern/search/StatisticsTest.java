package quern.search;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import quern.train.Median;

/** Against scipy 1.17.1: {@code stats.t.ppf}, {@code ttest_rel}, {@code permutation_test(permutation_type='samples')}. */
class StatisticsTest {
    /** Two independent implementations of the t distribution agree to about this. */
    private static final double SCIPY = 1e-9;

    private static final double[] FIVE = {1.512, 1.498, 1.530, 1.507, 1.521};
    private static final double[] FIVE_OTHERS = {1.530, 1.509, 1.541, 1.533, 1.526};

    @Test
    void halfWidthsAreTheQuantilesOfScipyTimesTheStandardError() {
        double[] quantiles = {12.706204736174694, 4.302652729749462};
        for (int freedom = 1; freedom <= 2; freedom++) {
            double[] values = freedom == 1 ? new double[] {0, 2} : new double[] {0, 3, 6};
            double standardError = freedom == 1 ? 1 : Math.sqrt(3);
            Statistics.Estimate e = Statistics.estimate(values);
            assertEquals(quantiles[freedom - 1] * standardError, e.halfWidth().orElseThrow(), SCIPY);
            assertEquals(freedom + 1, e.n());
        }
        Statistics.Estimate seven = Statistics.estimate(new double[] {1.2, 0.7, -0.3, 0.9, 1.5, -0.2, 0.4});
        assertEquals(0.6, seven.mean(), SCIPY);
        assertEquals(0.6272609048583399, seven.halfWidth().orElseThrow(), SCIPY);
    }

    @Test
    void pairedTestsAreThoseOfScipy() {
        Statistics.Difference five = Statistics.paired(FIVE, FIVE_OTHERS);
        assertEquals(-0.0142, five.estimate().mean(), SCIPY);
        assertEquals(0.009987487053456817, five.estimate().halfWidth().orElseThrow(), SCIPY);
        assertEquals(0.01685343910183389, five.p().orElseThrow(), SCIPY);
        assertEquals(0.0625, five.exactP().orElseThrow());
        Statistics.Difference seven =
                Statistics.paired(new double[] {1.2, 0.7, -0.3, 0.9, 1.5, -0.2, 0.4}, new double[7]);
        assertEquals(0.05779898403493284, seven.p().orElseThrow(), SCIPY);
        assertEquals(0.078125, seven.exactP().orElseThrow());
    }

    @Test
    void signsOfADifferenceDoNotChangeItsPValue() {
        Statistics.Difference forth = Statistics.paired(FIVE, FIVE_OTHERS);
        Statistics.Difference back = Statistics.paired(FIVE_OTHERS, FIVE);
        assertEquals(forth.p(), back.p());
        assertEquals(forth.exactP(), back.exactP());
        assertEquals(-forth.estimate().mean(), back.estimate().mean());
    }

    @Test
    void onePairTellsNothingAndPairsWithoutSpreadNoPValue() {
        Statistics.Difference one = Statistics.paired(new double[] {1}, new double[] {2});
        assertEquals(new Statistics.Estimate(-1, Optional.empty(), 1), one.estimate());
        assertTrue(one.p().isEmpty() && one.exactP().isEmpty());
        Statistics.Difference constant = Statistics.paired(new double[] {1, 2}, new double[] {2, 3});
        assertTrue(constant.p().isEmpty(), "the t statistic would be infinite");
        Statistics.Difference none = Statistics.paired(FIVE, FIVE);
        assertEquals(Optional.of(1.0), none.p());
        assertEquals(Optional.of(1.0), none.exactP());
        assertThrows(IllegalArgumentException.class, () -> Statistics.estimate(new double[0]));
        assertThrows(IllegalArgumentException.class, () -> Statistics.paired(new double[1], new double[2]));
    }

    @Test
    void seventeenPairsAreTooManyToFlip() {
        double[] many = new double[17];
        Arrays.setAll(many, i -> i % 3);
        assertTrue(Statistics.paired(many, new double[17]).exactP().isEmpty());
    }

    /** By hand: 0.01 x 4, then the greatest so far of 0.02 x 3, 0.03 x 2 and 0.04 x 1. */
    @Test
    void holmMultipliesTheSmallestMost() {
        assertArrayEquals(
                new double[] {0.06, 0.04, 0.06, 0.06}, Statistics.holm(new double[] {0.02, 0.01, 0.04, 0.03}), 1e-15);
        assertArrayEquals(new double[] {1, 1}, Statistics.holm(new double[] {0.9, 0.8}));
        assertEquals(0, Statistics.holm(new double[0]).length);
    }

    @Test
    void mediansOfOddAndEvenCounts() {
        assertEquals(3, Median.of(new double[] {9, 3, 1}));
        assertEquals(2.5, Median.of(new double[] {4, 1, 2, 3}));
    }
}
