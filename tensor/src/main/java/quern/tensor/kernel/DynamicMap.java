package quern.tensor.kernel;

import java.util.Arrays;

/**
 * The 256 numbers from -1 (or 0) to 1 that an 8-bit code of the dynamic tree data type stands for: the leading zeros of a
 * code give a power of ten, what follows a linear fraction, so that small and large numbers are both met closely. Dettmers,
 * "8-Bit Approximations for Parallelism in Deep Learning" (arXiv 1511.04561); the unsigned form is that of Dettmers et
 * al., "8-bit Optimizers via Block-wise Quantization" (arXiv 2110.02861). The numbers are those of bitsandbytes'
 * {@code create_dynamic_map}, in rising order, so that a code is a rank.
 */
public final class DynamicMap {
    /** The decades that codes reach below 1. */
    private static final int DECADES = 7;

    // Numbers are looked up by exponent and seven bits of fraction; from 1 down to where only zero is near.
    static final int SHIFT = 16;
    static final int LOWEST = Float.floatToRawIntBits(0x1p-23f) >>> SHIFT;
    /** Keys of numbers of one sign. */
    static final int KEYS = (Float.floatToRawIntBits(1f) >>> SHIFT) - LOWEST + 1;

    /** From -0.993 to 1, for numbers of either sign. */
    public static final DynamicMap SIGNED = new DynamicMap(true);

    /** From 0 to 1, with a bit more for the fraction. */
    public static final DynamicMap UNSIGNED = new DynamicMap(false);

    private final float[] values;
    private final float[] midpoints;
    /** The code of the smallest number of each key; positive keys first, then negative ones. */
    private final int[] firstCodes;

    private DynamicMap(boolean signed) {
        values = values(signed);
        midpoints = new float[values.length];
        for (int i = 0; i < values.length - 1; i++) {
            midpoints[i] = (values[i] + values[i + 1]) / 2;
        }
        midpoints[values.length - 1] = Float.POSITIVE_INFINITY;
        firstCodes = new int[2 * KEYS];
        for (int key = 0; key < KEYS; key++) {
            float near = key == 0 ? 0 : Float.intBitsToFloat((key + LOWEST) << SHIFT);
            float far = Math.nextDown(Float.intBitsToFloat((key + LOWEST + 1) << SHIFT));
            firstCodes[key] = search(near);
            firstCodes[KEYS + key] = search(-far);
        }
    }

    private static float[] values(boolean signed) {
        float[] values = new float[256];
        int count = 0;
        for (int decade = 0; decade < DECADES; decade++) {
            int steps = 1 << (signed ? decade : decade + 1);
            float power = (float) Math.pow(10, decade - (DECADES - 1));
            for (int i = 0; i < steps; i++) {
                float mean = (boundary(i, steps) + boundary(i + 1, steps)) / 2;
                values[count++] = power * mean;
                if (signed) {
                    values[count++] = -power * mean;
                }
            }
        }
        values[count++] = 0;
        values[count++] = 1;
        Arrays.sort(values);
        return values;
    }

    /** Boundary {@code i} of equal steps from 0.1 to 1, counted from the nearer end. */
    private static float boundary(int i, int steps) {
        float step = (1f - 0.1f) / steps;
        return i < (steps + 1) / 2 ? 0.1f + step * i : 1f - step * (steps - i);
    }

    private int search(float x) {
        int code = 0;
        while (x > midpoints[code]) {
            code++;
        }
        return code;
    }

    /** The numbers by code, rising; a copy. */
    public float[] values() {
        return values.clone();
    }

    /** Between each number and the next; a copy of 255 numbers. */
    public float[] midpoints() {
        return Arrays.copyOf(midpoints, midpoints.length - 1);
    }

    /** The numbers by code, not to be written to. */
    float[] table() {
        return values;
    }

    /** Where the number of a code ends, infinite for the last; not to be written to. */
    float[] ends() {
        return midpoints;
    }

    /** The codes that keys begin with, not to be written to: a key is what {@link #encode} makes of a number. */
    int[] firstCodes() {
        return firstCodes;
    }

    /** The number that a code stands for. */
    public float decode(byte code) {
        return values[code & 0xff];
    }

    /** The code of the nearest number, the lower one of two; {@code x} is from -1 to 1, or from 0 to 1. Any code for NaN. */
    public byte encode(float x) {
        int bits = Float.floatToRawIntBits(x);
        int key = Math.min(Math.max(((bits & 0x7fffffff) >>> SHIFT) - LOWEST, 0), KEYS - 1);
        // No branch on the sign, which nothing predicts.
        int code = firstCodes[key + (bits >>> 31) * KEYS];
        // A key spans less than the distance of two midpoints.
        return (byte) (code + (x > midpoints[code] ? 1 : 0));
    }
}
