package quern.data.internal;

/** Finds where a long text can be cut without changing how it is tokenized. */
final class PieceCut {
    private PieceCut() {}

    /**
     * Where to cut text[0, length) when more follows: after a single line end between two non-blank characters, else
     * before a single space between two such, else anywhere but inside a surrogate pair. The common pre-tokenizers
     * (GPT-2's and its successors') always break at the first two. Looks back over half of the text at most.
     */
    static int cut(char[] text, int length) {
        int lowest = Math.max(2, length / 2);
        for (int i = length - 1; i >= lowest; i--) {
            if (text[i - 1] == '\n' && isSolid(text[i]) && isSolid(text[i - 2])) {
                return i;
            }
        }
        for (int i = length - 2; i >= lowest; i--) {
            if (text[i] == ' ' && isSolid(text[i + 1]) && isSolid(text[i - 1])) {
                return i;
            }
        }
        return Character.isHighSurrogate(text[length - 1]) ? length - 1 : length;
    }

    private static boolean isSolid(char c) {
        return !PreTokens.isSpace(c);
    }
}
