package quern.data.dedup;

/**
 * Hashing of text: the product of two 64-bit numbers to 128 bits, its halves folded into one. Not for secrets; the
 * constants are part of what a run's answer depends on and never change.
 */
final class Scatter {
    private static final long FIRST = 0xD6E8FEB86659FD93L;
    private static final long SECOND = 0xA0761D6478BD642FL;

    private Scatter() {}

    /** A hash of two numbers. */
    static long fold(long a, long b) {
        return a * b ^ Math.multiplyHigh(a, b);
    }

    /** A bijection that scatters its input (the finaliser of SplitMix64, Steele, Lea and Flood 2014). */
    static long mix(long x) {
        long z = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    /** The {@code index}-th number of a stream that {@code seed} names. */
    static long stream(long seed, long index) {
        return mix(mix(seed + 0x9E3779B97F4A7C15L) + (index + 1) * 0x9E3779B97F4A7C15L);
    }

    /** A 64-bit hash of {@code chars[from, to)}; {@code lane} chooses one of many. */
    static long text(char[] chars, int from, int to, long lane) {
        long hash = mix(lane + FIRST) ^ (to - from);
        int i = from;
        for (; i + 4 <= to; i += 4) {
            hash = fold(hash ^ four(chars, i), SECOND + (hash << 1)) + FIRST;
        }
        long rest = 0;
        for (; i < to; i++) {
            rest = rest << 16 | chars[i];
        }
        return mix(fold(hash ^ rest, SECOND) + FIRST);
    }

    private static long four(char[] chars, int i) {
        return (long) chars[i] << 48 | (long) chars[i + 1] << 32 | (long) chars[i + 2] << 16 | chars[i + 3];
    }
}
