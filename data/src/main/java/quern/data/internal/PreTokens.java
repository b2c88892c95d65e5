package quern.data.internal;

/**
 * GPT-2's split of a text into pre-tokens, scanned by hand instead of by its regular expression {@code 's|'t|'re|'ve|
 * 'm|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+} (Radford et al. 2019, "Language Models are
 * Unsupervised Multitask Learners").
 */
final class PreTokens {
    static final int OTHER = 0;
    static final int SPACE = 1;
    static final int LETTER = 2;
    static final int NUMBER = 3;
    private static final byte[] PLANE = new byte[1 << 16];

    static {
        for (int c = 0; c < PLANE.length; c++) {
            PLANE[c] = (byte) classify(c);
        }
    }

    private PreTokens() {}

    /** Receives a pre-token as a range of the text. */
    interface Sink {
        void accept(CharSequence text, int from, int to);
    }

    /** Calls the sink for each pre-token in order. */
    static void split(CharSequence text, Sink sink) {
        split(text, 0, text.length(), sink);
    }

    /** The same for a range of the text, as if nothing were around it. */
    static void split(CharSequence text, int from, int length, Sink sink) {
        int at = from;
        while (at < length) {
            int to = end(text, at, length);
            sink.accept(text, at, to);
            at = to;
        }
    }

    private static int end(CharSequence text, int at, int length) {
        char c = text.charAt(at);
        if (c == '\'') {
            int contraction = contraction(text, at, length);
            if (contraction > 0) {
                return at + contraction;
            }
        }
        int from = c == ' ' && at + 1 < length ? at + 1 : at;
        int kind = kindAt(text, from, length);
        if (kind != SPACE) {
            return run(text, from, length, kind);
        }
        int to = run(text, at, length, SPACE);
        // A run of white space leaves its last character to what follows, unless nothing does or it is alone.
        if (to < length && to - at > 1) {
            return to - 1;
        }
        return to;
    }

    private static int contraction(CharSequence text, int at, int length) {
        if (at + 1 >= length) {
            return 0;
        }
        char first = text.charAt(at + 1);
        if (first == 's' || first == 't' || first == 'm' || first == 'd') {
            return 2;
        }
        if (at + 2 >= length) {
            return 0;
        }
        char second = text.charAt(at + 2);
        boolean two =
                (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
        return two ? 3 : 0;
    }

    /** Where the characters of a kind end that begin at a place. */
    static int run(CharSequence text, int from, int length, int kind) {
        int at = from;
        while (at < length && kindAt(text, at, length) == kind) {
            at += width(text, at, length);
        }
        return at;
    }

    /** UTF-16 units of the character at a place. */
    static int width(CharSequence text, int at, int length) {
        return Character.isHighSurrogate(text.charAt(at))
                        && at + 1 < length
                        && Character.isLowSurrogate(text.charAt(at + 1))
                ? 2
                : 1;
    }

    /** The kind of the character at a place. */
    static int kindAt(CharSequence text, int at, int length) {
        char c = text.charAt(at);
        return width(text, at, length) == 2 ? classify(Character.toCodePoint(c, text.charAt(at + 1))) : PLANE[c];
    }

    private static int classify(int codePoint) {
        if (isSpace(codePoint)) {
            return SPACE;
        }
        return switch (Character.getType(codePoint)) {
            case Character.UPPERCASE_LETTER,
                    Character.LOWERCASE_LETTER,
                    Character.TITLECASE_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.OTHER_LETTER -> LETTER;
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
            default -> OTHER;
        };
    }

    /** Unicode's property White_Space, which {@code \s} means in the tokenizers' regular expressions. */
    static boolean isSpace(int codePoint) {
        return codePoint <= 0x20
                ? codePoint == 0x20 || (codePoint >= 9 && codePoint <= 13)
                : codePoint == 0x85
                        || codePoint == 0xA0
                        || codePoint == 0x1680
                        || (codePoint >= 0x2000 && codePoint <= 0x200A)
                        || codePoint == 0x2028
                        || codePoint == 0x2029
                        || codePoint == 0x202F
                        || codePoint == 0x205F
                        || codePoint == 0x3000;
    }
}
