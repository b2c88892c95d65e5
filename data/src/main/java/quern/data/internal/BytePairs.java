package quern.data.internal;

import java.util.Arrays;

/** The merges of a byte-pair encoding: which pairs of tokens become which, and in what order. Never changes. */
final class BytePairs {
    private static final long EMPTY = -1;

    private final long[] pairs;
    private final int[] ranks;
    private final int[] merged;
    private final int mask;

    /**
     * Merges in the order of their ranks; a pair that is there twice has its later place.
     *
     * @param left the left token of each
     * @param right the right one
     * @param whole what they become
     */
    BytePairs(int[] left, int[] right, int[] whole) {
        int size = Integer.highestOneBit(Math.max(8, left.length)) << 2;
        this.pairs = new long[size];
        this.ranks = new int[size];
        this.merged = new int[size];
        this.mask = size - 1;
        Arrays.fill(pairs, EMPTY);
        for (int rank = 0; rank < left.length; rank++) {
            long pair = pair(left[rank], right[rank]);
            int slot = slot(pair);
            pairs[slot] = pair;
            ranks[slot] = rank;
            merged[slot] = whole[rank];
        }
    }

    private static long pair(int left, int right) {
        return ((long) left << Integer.SIZE) | right;
    }

    /** Where a pair is, or would be. */
    private int slot(long pair) {
        int slot = (int) Mix.mix(pair) & mask;
        while (pairs[slot] != EMPTY && pairs[slot] != pair) {
            slot = (slot + 1) & mask;
        }
        return slot;
    }

    /**
     * One thread's room to merge in. The tokens of a word are a chain; a heap holds the merges that are possible, by rank and
     * then by place, and some that no longer are: so a word of n tokens takes n log n steps.
     */
    final class Merger {
        private static final int GONE = -1;

        private int[] tokens = new int[64];
        private int[] next = new int[64];
        private int[] previous = new int[64];
        private long[] heap = new long[128];
        private int heapSize;

        /** Room for a word of so many tokens, whose array is filled by the caller. */
        int[] room(int length) {
            if (tokens.length < length) {
                int larger = (int) Math.min(Integer.MAX_VALUE - 16L, Math.max(length, 2L * tokens.length));
                tokens = new int[larger];
                next = new int[larger];
                previous = new int[larger];
            }
            return tokens;
        }

        /** Merges the first tokens of the room; they are left in its beginning. Gives how many they are. */
        int merge(int length) {
            heapSize = 0;
            for (int i = 0; i < length; i++) {
                next[i] = i + 1 < length ? i + 1 : GONE;
                previous[i] = i - 1;
                offer(i);
            }
            while (heapSize > 0) {
                long first = poll();
                int at = (int) first;
                int right = tokens[at] == GONE ? GONE : next[at];
                if (right == GONE) {
                    continue;
                }
                int slot = slot(pair(tokens[at], tokens[right]));
                if (pairs[slot] == EMPTY || ranks[slot] != (int) (first >>> Integer.SIZE)) {
                    continue;
                }
                tokens[at] = merged[slot];
                tokens[right] = GONE;
                next[at] = next[right];
                if (next[at] != GONE) {
                    previous[next[at]] = at;
                }
                offer(at);
                if (previous[at] != GONE) {
                    offer(previous[at]);
                }
            }
            int count = 0;
            for (int at = 0; at != GONE; at = next[at]) {
                tokens[count++] = tokens[at];
            }
            return count;
        }

        /** Notes the merge of the token at a place with its right neighbour, if there is one. */
        private void offer(int at) {
            if (next[at] == GONE) {
                return;
            }
            int slot = slot(pair(tokens[at], tokens[next[at]]));
            if (pairs[slot] == EMPTY) {
                return;
            }
            if (heapSize == heap.length) {
                heap = Arrays.copyOf(heap, heap.length * 2);
            }
            long value = ((long) ranks[slot] << Integer.SIZE) | at;
            int hole = heapSize++;
            while (hole > 0 && heap[(hole - 1) >>> 1] > value) {
                heap[hole] = heap[(hole - 1) >>> 1];
                hole = (hole - 1) >>> 1;
            }
            heap[hole] = value;
        }

        private long poll() {
            long first = heap[0];
            long last = heap[--heapSize];
            int hole = 0;
            int child = 1;
            while (child < heapSize) {
                if (child + 1 < heapSize && heap[child + 1] < heap[child]) {
                    child++;
                }
                if (heap[child] >= last) {
                    break;
                }
                heap[hole] = heap[child];
                hole = child;
                child = 2 * hole + 1;
            }
            heap[hole] = last;
            return first;
        }
    }
}
