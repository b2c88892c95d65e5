package quern.data.internal;

/** Stateless hashing of integers: the finaliser of SplitMix64 (Steele, Lea and Flood 2014). */
public final class Mix {
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private Mix() {}

    /** A bijection on 64-bit integers that scatters its input. */
    public static long mix(long x) {
        long z = x;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    /** A hash of two integers in order. */
    public static long hash(long a, long b) {
        return mix(mix(a + GOLDEN) + b * GOLDEN + 1);
    }

    /** A hash of two integers as a number in [0, 1). */
    public static double unit(long a, long b) {
        return (hash(a, b) >>> 11) * 0x1p-53;
    }

    /** A hash of two integers scaled to [0, bound). */
    public static long below(long a, long b, long bound) {
        return Math.unsignedMultiplyHigh(hash(a, b), bound);
    }
}
