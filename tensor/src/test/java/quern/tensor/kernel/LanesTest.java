package quern.tensor.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.SplittableRandom;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("each-path")
class LanesTest {
    /** What the kernel's documentation promises. */
    private static final double EXP_ULPS = 2;

    @Test
    void expIsWithinTwoUnitsInTheLastPlace() {
        float[] lanes = new float[Lanes.COUNT];
        double worst = 0;
        int samples = 1 << 18;
        for (int i = 0; i < samples; i += Lanes.COUNT) {
            float[] x = new float[Lanes.COUNT];
            for (int j = 0; j < x.length; j++) {
                x[j] = -87.336f * (i + j) / samples;
            }
            Lanes.exp(FloatVector.fromArray(Lanes.FLOATS, x, 0)).intoArray(lanes, 0);
            for (int j = 0; j < x.length; j++) {
                double exact = Math.exp(x[j]);
                worst = Math.max(worst, Math.abs(lanes[j] - exact) / Math.ulp((float) exact));
            }
        }
        assertTrue(worst < EXP_ULPS, "worst error " + worst + " ulp");
    }

    @Test
    void expAtItsEdges() {
        assertEquals(1f, exp(0f));
        assertEquals(1f, exp(-0f));
        assertEquals(0f, exp(Float.NEGATIVE_INFINITY));
        assertEquals(0f, exp(-88f));
        assertEquals(0f, exp(-Float.MAX_VALUE));
        assertTrue(Float.isNaN(exp(Float.NaN)));
        assertEquals(1f, exp(-Float.MIN_VALUE));
    }

    @Test
    void everyBf16ComesBack() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment segment = arena.allocate(2L * Lanes.COUNT);
            MemorySegment out = arena.allocate(2L * Lanes.COUNT);
            for (int bits = 0; bits < 1 << 16; bits += Lanes.COUNT) {
                for (int j = 0; j < Lanes.COUNT; j++) {
                    segment.setAtIndex(java.lang.foreign.ValueLayout.JAVA_SHORT, j, (short) (bits + j));
                }
                Lanes.storeBf16(Lanes.loadBf16(segment, 0), out, 0);
                for (int j = 0; j < Lanes.COUNT; j++) {
                    float before = Bf16.toFloat((short) (bits + j));
                    float after = Bf16.toFloat(out.getAtIndex(java.lang.foreign.ValueLayout.JAVA_SHORT, j));
                    if (Float.isNaN(before)) {
                        assertTrue(Float.isNaN(after));
                    } else {
                        assertEquals(before, after);
                    }
                }
            }
        }
    }

    @Test
    void bf16RoundsToNearestAndTiesToEven() {
        SplittableRandom random = new SplittableRandom(5);
        float[] x = new float[Lanes.COUNT];
        short[] vector = new short[Lanes.COUNT];
        for (int round = 0; round < 20_000; round++) {
            for (int j = 0; j < x.length; j++) {
                x[j] = Float.intBitsToFloat(random.nextInt());
            }
            Lanes.toBf16(FloatVector.fromArray(Lanes.FLOATS, x, 0)).intoArray(vector, 0);
            for (int j = 0; j < x.length; j++) {
                assertEquals(Bf16.fromFloat(x[j]), vector[j], () -> "of one of the lanes");
            }
        }
        // 1 + 2^-8 lies in the middle of 1 and 1 + 2^-7; the even one is 1. The next middle goes up.
        assertEquals(1f, Bf16.toFloat(Bf16.fromFloat(1f + 0x1p-8f)));
        assertEquals(1f + 0x1p-6f, Bf16.toFloat(Bf16.fromFloat(1f + 3 * 0x1p-8f)));
        assertEquals(1f + 0x1p-7f, Bf16.toFloat(Bf16.fromFloat(Math.nextUp(1f + 0x1p-8f))));
        assertEquals(Float.POSITIVE_INFINITY, Bf16.toFloat(Bf16.fromFloat(Float.MAX_VALUE)));
        assertTrue(Float.isNaN(Bf16.toFloat(Bf16.fromFloat(Float.intBitsToFloat(0x7f800001)))));
    }

    @Test
    void aScalarRoundsToTheNearestOfItsNeighbours() {
        SplittableRandom random = new SplittableRandom(6);
        for (int i = 0; i < 2000; i++) {
            float x = (float) random.nextGaussian();
            // Near 1, bfloat16 has 8 significant binary digits.
            BigDecimal ulp = new BigDecimal(Math.scalb(1.0, Math.getExponent(x) - 7));
            BigDecimal exact = new BigDecimal(x)
                    .divide(ulp)
                    .setScale(0, RoundingMode.HALF_EVEN)
                    .multiply(ulp);
            assertEquals(exact.floatValue(), Bf16.toFloat(Bf16.fromFloat(x)));
        }
    }

    private static float exp(float x) {
        float[] lanes = new float[Lanes.COUNT];
        Lanes.exp(FloatVector.broadcast(Lanes.FLOATS, x)).intoArray(lanes, 0);
        return lanes[0];
    }
}
