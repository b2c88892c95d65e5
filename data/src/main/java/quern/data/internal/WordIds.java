package quern.data.internal;

import java.util.Arrays;

/**
 * The ids of words seen lately: an open-addressing hash table over characters and ids that lie one word after the other. When it
 * is full it begins anew, so its memory is bounded. For one thread.
 */
final class WordIds {
    /** A longer word is rarely seen twice. */
    static final int LONGEST = 64;

    private static final int WORDS = 1 << 15;
    private static final int CHARACTERS = 1 << 19;

    private final char[] characters = new char[CHARACTERS];
    /** A word has no more ids than bytes, and most have one or two. */
    private final int[] ids = new int[CHARACTERS];

    private final int[] starts = new int[WORDS + 1];
    private final int[] idStarts = new int[WORDS + 1];
    private final int[] hashes = new int[WORDS];
    private final int[] slots = new int[2 * WORDS];
    private int size;

    private int hash;
    private int slot;

    /** The number of a word, or -1; {@link #put} then takes it. */
    int find(CharSequence text, int from, int to) {
        hash = 0;
        for (int i = from; i < to; i++) {
            hash = 31 * hash + text.charAt(i);
        }
        int mask = slots.length - 1;
        slot = (int) Mix.mix(hash) & mask;
        while (slots[slot] != 0) {
            int word = slots[slot] - 1;
            if (hashes[word] == hash && equal(word, text, from, to)) {
                return word;
            }
            slot = (slot + 1) & mask;
        }
        return -1;
    }

    private boolean equal(int word, CharSequence text, int from, int to) {
        int at = starts[word];
        if (starts[word + 1] - at != to - from) {
            return false;
        }
        for (int i = from; i < to; i++) {
            if (characters[at++] != text.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    /** Where a word's ids begin in {@link #ids}. */
    int start(int word) {
        return idStarts[word];
    }

    /** Where they end. */
    int end(int word) {
        return idStarts[word + 1];
    }

    /** The ids of all words. */
    int[] ids() {
        return ids;
    }

    /** Adds the word that {@link #find} looked for last. */
    void put(CharSequence text, int from, int to, int[] found, int count) {
        if (size == WORDS || starts[size] + (to - from) > characters.length || idStarts[size] + count > ids.length) {
            Arrays.fill(slots, 0);
            size = 0;
            slot = (int) Mix.mix(hash) & (slots.length - 1);
        }
        for (int i = from; i < to; i++) {
            characters[starts[size] + i - from] = text.charAt(i);
        }
        System.arraycopy(found, 0, ids, idStarts[size], count);
        starts[size + 1] = starts[size] + to - from;
        idStarts[size + 1] = idStarts[size] + count;
        hashes[size] = hash;
        slots[slot] = size + 1;
        size++;
    }
}
