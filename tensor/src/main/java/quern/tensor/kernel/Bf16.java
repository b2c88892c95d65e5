package quern.tensor.kernel;

/** bfloat16 as the upper 16 bits of a binary32. */
final class Bf16 {
    private static final int QUIET_NAN = 0x40;

    private Bf16() {}

    static float toFloat(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Rounds to nearest, ties to even; a NaN stays one. */
    static short fromFloat(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) ((bits >>> 16) | QUIET_NAN);
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }
}
