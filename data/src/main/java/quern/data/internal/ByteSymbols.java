package quern.data.internal;

import java.util.Arrays;

/**
 * GPT-2's printable symbol for each byte: printable Latin-1 characters stand for themselves, the other bytes take the
 * code points from 256 on, in order.
 */
final class ByteSymbols {
    private static final char[] SYMBOLS = new char[256];

    static {
        char next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
            SYMBOLS[b] = printable ? (char) b : next++;
        }
    }

    private ByteSymbols() {}

    /** The symbol of a byte. */
    static char symbol(int unsignedByte) {
        return SYMBOLS[unsignedByte];
    }

    /** All symbols in order of their code points. */
    static char[] sorted() {
        char[] sorted = SYMBOLS.clone();
        Arrays.sort(sorted);
        return sorted;
    }
}
