package quern.data.internal;

import java.util.Arrays;

/** Numbers pairs of token ids in order of first sight: an open-addressing hash map from pair to index. */
final class PairIndex {
    private static final long EMPTY = -1;

    private long[] keys = new long[1 << 12];
    private int[] indices = new int[1 << 12];
    private int size;

    PairIndex() {
        Arrays.fill(keys, EMPTY);
    }

    /** How many pairs have a number. */
    int size() {
        return size;
    }

    /** The number of the pair, a new one at first sight. */
    int index(int left, int right) {
        long key = (long) left << 32 | right;
        int slot = slot(key);
        if (keys[slot] == key) {
            return indices[slot];
        }
        if (size * 2 >= keys.length) {
            grow();
            slot = slot(key);
        }
        keys[slot] = key;
        indices[slot] = size;
        return size++;
    }

    private int slot(long key) {
        int mask = keys.length - 1;
        int slot = (int) Mix.mix(key) & mask;
        while (keys[slot] != EMPTY && keys[slot] != key) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    private void grow() {
        long[] oldKeys = keys;
        int[] oldIndices = indices;
        keys = new long[oldKeys.length * 2];
        indices = new int[oldKeys.length * 2];
        Arrays.fill(keys, EMPTY);
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldKeys[i] != EMPTY) {
                int slot = slot(oldKeys[i]);
                keys[slot] = oldKeys[i];
                indices[slot] = oldIndices[i];
            }
        }
    }
}
