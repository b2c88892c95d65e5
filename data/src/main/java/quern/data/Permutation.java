package quern.data;

import java.util.Objects;
import quern.data.internal.Mix;

/**
 * A keyed bijection on [0, n) that is evaluated one index at a time, without a table: a Feistel network (Luby and
 * Rackoff 1988) on the next even number of bits, walked along its cycle until the value falls into the range (Black
 * and Rogaway 2002). On average under four steps an index.
 */
public final class Permutation {
    private static final int ROUNDS = 6;

    private final long size;
    private final long key;
    private final int halfBits;
    private final long halfMask;

    /**
     * @param size n, from 0 to 2^62
     * @param key chooses the permutation
     */
    public Permutation(long size, long key) {
        if (size < 0 || size > 1L << 62) {
            throw new IllegalArgumentException("size " + size + " is not in [0, 2^62]");
        }
        this.size = size;
        this.key = key;
        int bits = size <= 1 ? 1 : Long.SIZE - Long.numberOfLeadingZeros(size - 1);
        this.halfBits = Math.max(1, (bits + 1) / 2);
        this.halfMask = (1L << halfBits) - 1;
    }

    /** Where the index goes. */
    public long at(long index) {
        Objects.checkIndex(index, size);
        long value = index;
        do {
            value = permute(value);
        } while (value >= size);
        return value;
    }

    private long permute(long value) {
        long left = value >>> halfBits;
        long right = value & halfMask;
        for (int round = 0; round < ROUNDS; round++) {
            long mixed = left ^ (Mix.hash(key + round, right) & halfMask);
            left = right;
            right = mixed;
        }
        return left << halfBits | right;
    }

    /** n. */
    public long size() {
        return size;
    }
}
