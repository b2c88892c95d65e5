package quern.tensor.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/** Loads, stores and functions on vectors of floats. Small enough for the compiler to inline into every loop. */
final class Lanes {
    /** As wide as the CPU's vectors unless {@link KernelSetting} asks for less. */
    static final VectorSpecies<Float> FLOATS = chosen();

    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, FLOATS.vectorShape());
    /** As many shorts as there are floats. */
    static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(FLOATS.vectorBitSize() / 2));

    /** Half as many doubles as there are floats. */
    static final VectorSpecies<Double> DOUBLES = VectorSpecies.of(double.class, FLOATS.vectorShape());

    private static final VectorSpecies<Float> QUARTER = VectorSpecies.of(float.class, VectorShape.S_128_BIT);
    private static final VectorSpecies<Float> HALF = VectorSpecies.of(float.class, VectorShape.S_256_BIT);

    static final int COUNT = FLOATS.length();
    static final ByteOrder ORDER = ByteOrder.nativeOrder();

    /** Below this exp is under the smallest normal number, and taken as zero. */
    private static final float EXP_MIN = -87.33654f;

    private static final float LOG2_E = 1.44269504f;
    /** ln 2 in two parts; the first has its low bits clear, so that k times it is exact. */
    private static final float LN2_HIGH = 0.693359375f;

    private static final float LN2_LOW = -2.12194440e-4f;
    /** Adding 1.5 * 2^23 rounds a small float to a whole number, which then stands in the low bits. */
    private static final float ROUNDER = 12582912f;

    private Lanes() {}

    private static VectorSpecies<Float> chosen() {
        int bits = KernelSetting.CURRENT.bits();
        return bits == 0 || bits >= widestBits()
                ? FloatVector.SPECIES_PREFERRED
                : VectorSpecies.of(float.class, VectorShape.forBitSize(bits));
    }

    /** The CPU's own width. */
    static int widestBits() {
        return FloatVector.SPECIES_PREFERRED.vectorBitSize();
    }

    static int bits() {
        return FLOATS.vectorBitSize();
    }

    static FloatVector loadFloats(MemorySegment segment, long byteOffset) {
        return FloatVector.fromMemorySegment(FLOATS, segment, byteOffset, ORDER);
    }

    /** A vector of one value. */
    static FloatVector all(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    static void storeFloats(FloatVector value, MemorySegment segment, long byteOffset) {
        value.intoMemorySegment(segment, byteOffset, ORDER);
    }

    static FloatVector load(float[] array, int index) {
        return FloatVector.fromArray(FLOATS, array, index);
    }

    static FloatVector loadBf16(MemorySegment segment, long byteOffset) {
        return fromBf16(ShortVector.fromMemorySegment(SHORTS, segment, byteOffset, ORDER));
    }

    static FloatVector loadBf16(short[] array, int index) {
        return fromBf16(ShortVector.fromArray(SHORTS, array, index));
    }

    private static FloatVector fromBf16(ShortVector bits) {
        return ((IntVector) bits.convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0))
                .lanewise(VectorOperators.LSHL, 16)
                .reinterpretAsFloats();
    }

    /** Rounds as {@link Bf16#fromFloat}. */
    static ShortVector toBf16(FloatVector value) {
        IntVector bits = value.reinterpretAsInts();
        IntVector upper = bits.lanewise(VectorOperators.LSHR, 16);
        IntVector rounded = bits.add(0x7fff).add(upper.and(1)).lanewise(VectorOperators.LSHR, 16);
        VectorMask<Integer> nan = value.compare(VectorOperators.NE, value).cast(INTS);
        return (ShortVector) rounded.blend(upper.or(0x40), nan).convertShape(VectorOperators.I2S, SHORTS, 0);
    }

    static void storeBf16(FloatVector value, MemorySegment segment, long byteOffset) {
        toBf16(value).intoMemorySegment(segment, byteOffset, ORDER);
    }

    /**
     * exp for arguments up to zero: x = k ln 2 + r with |r| at most ln 2 / 2, then a polynomial in r (its Taylor series to
     * degree 7, off by less than 6e-9 there) times 2^k. The relative error is below 2 units in the last place; results
     * under the smallest normal number are zero, NaN stays NaN.
     */
    static FloatVector exp(FloatVector x) {
        FloatVector shifted = x.fma(FloatVector.broadcast(FLOATS, LOG2_E), FloatVector.broadcast(FLOATS, ROUNDER));
        FloatVector k = shifted.sub(ROUNDER);
        FloatVector r = k.fma(FloatVector.broadcast(FLOATS, -LN2_HIGH), x);
        r = k.fma(FloatVector.broadcast(FLOATS, -LN2_LOW), r);
        FloatVector p = r.fma(FloatVector.broadcast(FLOATS, 1f / 5040), FloatVector.broadcast(FLOATS, 1f / 720));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f / 120));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f / 24));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f / 6));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 0.5f));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f));
        p = p.fma(r, FloatVector.broadcast(FLOATS, 1f));
        FloatVector power = shifted.reinterpretAsInts()
                .add(127)
                .lanewise(VectorOperators.LSHL, 23)
                .reinterpretAsFloats();
        return p.mul(power).blend(0f, x.compare(VectorOperators.LT, EXP_MIN));
    }

    /**
     * The sum of the lanes, by pairs and always in the same order (a reduction of the Vector API may pick any).
     *
     * @param scratch room for the lanes
     */
    static float sum(FloatVector value, float[] scratch) {
        value.intoArray(scratch, 0);
        return switch (COUNT) {
            case 16 -> sumOfEight(scratch, 0) + sumOfEight(scratch, 8);
            case 8 -> sumOfEight(scratch, 0);
            default -> {
                float sum = 0;
                for (int i = 0; i < COUNT; i++) {
                    sum += scratch[i];
                }
                yield sum;
            }
        };
    }

    private static float sumOfEight(float[] x, int i) {
        return ((x[i] + x[i + 4]) + (x[i + 2] + x[i + 6])) + ((x[i + 1] + x[i + 5]) + (x[i + 3] + x[i + 7]));
    }

    /** Four sums whose sum is that of the lanes; always in the same order, which a reduction of the Vector API is not. */
    static void foldToFour(FloatVector v, float[] sums, int at) {
        FloatVector w = v;
        if (COUNT > 8) {
            w = ((FloatVector) w.reinterpretShape(HALF, 0)).add((FloatVector) w.reinterpretShape(HALF, 1));
        }
        if (COUNT > 4) {
            w = ((FloatVector) w.reinterpretShape(QUARTER, 0)).add((FloatVector) w.reinterpretShape(QUARTER, 1));
        }
        w.intoArray(sums, at);
    }

    /** The lanes whose number has that bit. */
    static VectorMask<Float> lanesWith(int bit) {
        boolean[] with = new boolean[COUNT];
        for (int i = 0; i < COUNT; i++) {
            with[i] = (i & bit) != 0;
        }
        return VectorMask.fromArray(FLOATS, with, 0);
    }

    /** Lanes whose numbers differ in that bit in each other's place; none where no lane has it. */
    static VectorShuffle<Float> swapping(int bit) {
        return VectorShuffle.fromOp(FLOATS, i -> bit < COUNT ? i ^ bit : i);
    }

    /**
     * Adds lanes whose numbers differ in one bit: those of {@code a} where the bit is 0, those of {@code b} where it is 1.
     *
     * @param with {@link #lanesWith} the bit
     * @param swap {@link #swapping} it
     */
    static FloatVector joinHalves(FloatVector a, FloatVector b, VectorMask<Float> with, VectorShuffle<Float> swap) {
        return a.blend(b, with).add(b.blend(a, with).rearrange(swap));
    }

    /**
     * The largest of the lanes; not a number if one of them is not.
     *
     * @param scratch room for the lanes
     */
    static float maximum(FloatVector value, float[] scratch) {
        value.intoArray(scratch, 0);
        if (COUNT == 16) {
            return Math.max(maximumOfEight(scratch, 0), maximumOfEight(scratch, 8));
        }
        float max = scratch[0];
        for (int i = 1; i < COUNT; i++) {
            max = Math.max(max, scratch[i]);
        }
        return max;
    }

    private static float maximumOfEight(float[] x, int i) {
        return Math.max(
                Math.max(Math.max(x[i], x[i + 4]), Math.max(x[i + 2], x[i + 6])),
                Math.max(Math.max(x[i + 1], x[i + 5]), Math.max(x[i + 3], x[i + 7])));
    }

    /** Adds the squares of the lower (part 0) or the upper half (part 1) of the floats. */
    static DoubleVector addSquares(DoubleVector sums, FloatVector value, int part) {
        DoubleVector wide = (DoubleVector) value.convertShape(VectorOperators.F2D, DOUBLES, part);
        return wide.fma(wide, sums);
    }

    /** The sum of the lanes, always in the same order. */
    static double sum(DoubleVector value) {
        double[] lanes = new double[DOUBLES.length()];
        value.intoArray(lanes, 0);
        double sum = 0;
        for (double lane : lanes) {
            sum += lane;
        }
        return sum;
    }

    static float get(MemorySegment segment, ElementType type, long index) {
        return type == ElementType.BF16
                ? Bf16.toFloat(segment.get(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2))
                : segment.get(ValueLayout.JAVA_FLOAT_UNALIGNED, index * 4);
    }

    static void set(MemorySegment segment, ElementType type, long index, float value) {
        if (type == ElementType.BF16) {
            segment.set(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2, Bf16.fromFloat(value));
        } else {
            segment.set(ValueLayout.JAVA_FLOAT_UNALIGNED, index * 4, value);
        }
    }
}
