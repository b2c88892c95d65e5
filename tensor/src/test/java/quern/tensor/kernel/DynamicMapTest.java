package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("each-path")
class DynamicMapTest {
    /** Of a value: a last place of a float, since powers of ten are rounded. */
    private static final double ROUNDING = 1.2e-7;

    private static final int[] RANKS = {0, 1, 63, 100, 126, 127, 128, 129, 130, 170, 200, 254, 255};

    /** Printed by bitsandbytes 0.50.2: {@code create_dynamic_map} at the ranks above. */
    @Test
    void theNumbersAreThoseOfBitsandbytes() {
        check(
                DynamicMap.SIGNED,
                -0.992968738,
                -0.978906274,
                -0.107031256,
                -0.00746874977,
                -5.50000038e-07,
                0.0,
                5.50000038e-07,
                3.25000019e-06,
                7.7499999e-06,
                0.0423437469,
                0.233593747,
                0.992968738,
                1.0);
        check(
                DynamicMap.UNSIGNED,
                0.0,
                3.2500003e-07,
                0.010703126,
                0.0627343804,
                0.0992968753,
                0.103515625,
                0.110546872,
                0.117578126,
                0.124609374,
                0.405859351,
                0.616796851,
                0.996484399,
                1.0);
    }

    private static void check(DynamicMap map, double... expected) {
        for (int i = 0; i < RANKS.length; i++) {
            assertEquals(
                    expected[i], map.decode((byte) RANKS[i]), ROUNDING * Math.abs(expected[i]), "rank " + RANKS[i]);
        }
    }

    @Test
    void numbersRiseAndAreTheirOwnCodes() {
        for (DynamicMap map : new DynamicMap[] {DynamicMap.SIGNED, DynamicMap.UNSIGNED}) {
            float[] values = map.values();
            assertEquals(256, values.length);
            for (int code = 0; code < 256; code++) {
                assertTrue(code == 0 || values[code] > values[code - 1]);
                assertEquals(code, map.encode(values[code]) & 0xff);
            }
        }
    }

    @Test
    void aCodeIsTheNearestNumbers() {
        SplittableRandom random = new SplittableRandom(4);
        for (int i = 0; i < 200_000; i++) {
            float x = (float) Math.pow(10, random.nextDouble(-9, 0));
            checkNearest(DynamicMap.UNSIGNED, x);
            checkNearest(DynamicMap.SIGNED, random.nextBoolean() ? x : -x);
        }
        for (float midpoint : DynamicMap.SIGNED.midpoints()) {
            checkNearest(DynamicMap.SIGNED, midpoint);
            checkNearest(DynamicMap.SIGNED, Math.nextUp(midpoint));
            checkNearest(DynamicMap.SIGNED, Math.nextDown(midpoint));
        }
        for (float x : new float[] {0, -0f, -1, 1, Float.MIN_VALUE, -Float.MIN_VALUE}) {
            checkNearest(DynamicMap.SIGNED, x);
        }
    }

    private static void checkNearest(DynamicMap map, float x) {
        float[] values = map.values();
        int code = map.encode(x) & 0xff;
        double distance = Math.abs(x - (double) values[code]);
        // The midpoint is rounded to a float.
        double slack = ROUNDING * Math.abs(x);
        assertTrue(code == 0 || distance <= Math.abs(x - (double) values[code - 1]) + slack, () -> "below " + x);
        assertTrue(code == 255 || distance <= Math.abs(x - (double) values[code + 1]) + slack, () -> "above " + x);
    }

    @Test
    void whatIsNoNumberHasSomeCode() {
        for (float x : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 2, -2}) {
            DynamicMap.SIGNED.encode(x);
            DynamicMap.UNSIGNED.encode(x);
        }
        assertEquals(255, DynamicMap.SIGNED.encode(2) & 0xff);
    }
}
