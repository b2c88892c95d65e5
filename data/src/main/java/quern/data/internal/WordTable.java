package quern.data.internal;

import java.util.Arrays;
import quern.recipe.QuernException;

/**
 * Distinct words with the number of times each was seen: an open-addressing hash table over characters that lie one word
 * after the other, so that a word seen again costs no allocation.
 */
final class WordTable {
    private char[] characters = new char[1 << 16];
    private int[] starts = new int[1 << 12];
    private long[] counts = new long[1 << 12];
    private int[] hashes = new int[1 << 12];
    private int[] slots = new int[1 << 13];
    private int size;

    /** How many distinct words there are. */
    int size() {
        return size;
    }

    /** Characters (UTF-16 units) of all distinct words. */
    int totalLength() {
        return starts[size];
    }

    /** Where a word begins among the characters. */
    int start(int word) {
        return starts[word];
    }

    /** Where a word ends. */
    int end(int word) {
        return starts[word + 1];
    }

    /** The character at a place that {@link #start} and {@link #end} bound. */
    char at(int place) {
        return characters[place];
    }

    /** How often a word was seen. */
    long count(int word) {
        return counts[word];
    }

    /** A word as text. */
    String text(int word) {
        return new String(characters, starts[word], starts[word + 1] - starts[word]);
    }

    /** Adds occurrences of a range of text. */
    void add(CharSequence text, int from, int to, long by) {
        int length = to - from;
        int end = starts[size];
        reserve((long) end + length);
        // The candidate is copied behind the known words, where it stays if it is new.
        if (text instanceof String string) {
            string.getChars(from, to, characters, end);
        } else if (text instanceof StringBuilder builder) {
            builder.getChars(from, to, characters, end);
        } else {
            for (int i = 0; i < length; i++) {
                characters[end + i] = text.charAt(from + i);
            }
        }
        addCopied(length, by);
    }

    /** Adds the words and counts of another table. */
    void addAll(WordTable other) {
        for (int word = 0; word < other.size; word++) {
            int length = other.end(word) - other.start(word);
            reserve((long) starts[size] + length);
            System.arraycopy(other.characters, other.start(word), characters, starts[size], length);
            addCopied(length, other.counts[word]);
        }
    }

    private void addCopied(int length, long by) {
        int end = starts[size];
        int hash = 0;
        for (int i = end; i < end + length; i++) {
            hash = 31 * hash + characters[i];
        }
        int mask = slots.length - 1;
        int slot = (int) Mix.mix(hash) & mask;
        while (slots[slot] != 0) {
            int word = slots[slot] - 1;
            if (hashes[word] == hash
                    && Arrays.equals(characters, starts[word], starts[word + 1], characters, end, end + length)) {
                counts[word] += by;
                return;
            }
            slot = (slot + 1) & mask;
        }
        if (size + 2 > starts.length) {
            starts = Arrays.copyOf(starts, starts.length * 2);
            counts = Arrays.copyOf(counts, counts.length * 2);
            hashes = Arrays.copyOf(hashes, hashes.length * 2);
        }
        slots[slot] = size + 1;
        hashes[size] = hash;
        counts[size] = by;
        size++;
        starts[size] = end + length;
        if (size * 2 >= slots.length) {
            grow();
        }
    }

    private void reserve(long needed) {
        if (needed <= characters.length) {
            return;
        }
        if (needed > Integer.MAX_VALUE - 16) {
            throw QuernException.badInput(
                    "tokenizer: the distinct words of the text have more than 2^31 characters; train on a part of the text");
        }
        characters = Arrays.copyOf(characters, (int)
                Math.min(Integer.MAX_VALUE - 16, Math.max(needed, characters.length * 2L)));
    }

    private void grow() {
        int[] wider = new int[slots.length * 2];
        int mask = wider.length - 1;
        for (int word = 0; word < size; word++) {
            int slot = (int) Mix.mix(hashes[word]) & mask;
            while (wider[slot] != 0) {
                slot = (slot + 1) & mask;
            }
            wider[slot] = word + 1;
        }
        slots = wider;
    }
}
