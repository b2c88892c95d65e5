package quern.data.internal;

import java.util.Arrays;
import java.util.stream.IntStream;
import quern.data.Tokenizer;

/**
 * Which tokens begin a word, by their text. Where the vocabulary marks what continues a word with {@code ##}, the marks say
 * it; otherwise letters and digits that follow letters and digits continue a word, and so do pieces of a character. Any
 * number of threads may ask.
 */
final class WordStarts {
    private static final String CONTINUES = "##";
    private static final byte KNOWN = 1;
    private static final byte FIRST_IN_WORD = 2;
    private static final byte LAST_IN_WORD = 4;

    private final Tokenizer tokenizer;
    private final boolean marked;
    /** By id; 0 where nobody has asked. Threads that ask at once write the same. */
    private final byte[] known;

    WordStarts(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.known = new byte[tokenizer.vocabularySize()];
        this.marked = IntStream.range(0, known.length)
                .anyMatch(id -> tokenizer.token(id).startsWith(CONTINUES)
                        && tokenizer.token(id).length() > CONTINUES.length());
    }

    private byte ends(int id) {
        if (known[id] == 0) {
            byte found = KNOWN;
            if (!tokenizer.isSpecial(id)) {
                String text = marked ? tokenizer.token(id) : tokenizer.decode(new int[] {id});
                if (marked ? text.startsWith(CONTINUES) : isWord(text, 0)) {
                    found |= FIRST_IN_WORD;
                }
                if (marked || isWord(text, text.length() - 1)) {
                    found |= LAST_IN_WORD;
                }
            }
            known[id] = found;
        }
        return known[id];
    }

    private static boolean isWord(String text, int at) {
        if (text.isEmpty()) {
            return false;
        }
        char c = text.charAt(at);
        return Character.isLetterOrDigit(c)
                || Character.isSurrogate(c)
                || c == '\uFFFD'
                || Character.getType(c) == Character.NON_SPACING_MARK;
    }

    /** Where words start among {@code length} tokens from {@code from}, ascending, and behind them the end. */
    int[] starts(int[] ids, int from, int length) {
        return IntStream.rangeClosed(from, from + length)
                .filter(i -> i == from
                        || i == from + length
                        || (ends(ids[i]) & FIRST_IN_WORD) == 0
                        || (ends(ids[i - 1]) & LAST_IN_WORD) == 0)
                .toArray();
    }

    /** The first token of the word that the token at {@code place} is in, and the one after its last. */
    int[] around(int[] ids, int from, int length, int place) {
        int[] starts = starts(ids, from, length);
        int word = Arrays.binarySearch(starts, place);
        int first = word >= 0 ? word : -word - 2;
        return new int[] {starts[first], starts[first + 1]};
    }
}
