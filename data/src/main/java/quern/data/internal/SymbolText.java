package quern.data.internal;

import java.util.Arrays;
import java.util.BitSet;
import quern.recipe.QuernException;

/**
 * Distinct words as numbers: each character is its rank among the text's characters, from 1 in order of code points; the words
 * lie one after the other, each ended by a 0.
 *
 * @param symbols all words
 * @param starts where each word begins; one more than there are words
 * @param counts how often each word occurs
 * @param alphabet code points by symbol; the first is not used
 */
record SymbolText(int[] symbols, int[] starts, long[] counts, int[] alphabet) {
    /** Symbols in a piece at most: so many that a place and a length fit into 32 bits together. */
    static final int LONGEST_PIECE = 31;

    /** So many symbols can be sorted by one number each. */
    static final int MOST_SYMBOLS = 1 << 26;

    /** Numbers the characters of words. */
    static SymbolText of(WordTable words) {
        if ((long) words.totalLength() + words.size() >= MOST_SYMBOLS) {
            throw QuernException.badInput(
                    "tokenizer: the distinct words of the text have %,d characters, and unigram learns from at most %,d; train"
                            + " on a part of the text",
                    words.totalLength(), MOST_SYMBOLS);
        }
        BitSet seen = new BitSet();
        for (int w = 0; w < words.size(); w++) {
            for (int at = words.start(w); at < words.end(w); ) {
                int c = WordPieces.codePoint(words, at, words.end(w));
                seen.set(c);
                at += Character.charCount(c);
            }
        }
        int[] alphabet = new int[seen.cardinality() + 1];
        int[] rank = new int[seen.length()];
        int next = 1;
        for (int c = seen.nextSetBit(0); c >= 0; c = seen.nextSetBit(c + 1)) {
            alphabet[next] = c;
            rank[c] = next++;
        }
        int[] symbols = new int[words.totalLength() + words.size()];
        int[] starts = new int[words.size() + 1];
        long[] counts = new long[words.size()];
        int to = 0;
        for (int w = 0; w < words.size(); w++) {
            starts[w] = to;
            counts[w] = words.count(w);
            for (int at = words.start(w); at < words.end(w); ) {
                int c = WordPieces.codePoint(words, at, words.end(w));
                symbols[to++] = rank[c];
                at += Character.charCount(c);
            }
            symbols[to++] = 0;
        }
        starts[words.size()] = to;
        return new SymbolText(Arrays.copyOf(symbols, to), starts, counts, alphabet);
    }

    /** How many words there are. */
    int words() {
        return counts.length;
    }

    /** A word's symbols, without the 0. */
    int length(int word) {
        return starts[word + 1] - starts[word] - 1;
    }

    /** The characters of a range of symbols. */
    String text(int from, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = from; i < from + length; i++) {
            text.appendCodePoint(alphabet[symbols[i]]);
        }
        return text.toString();
    }
}
