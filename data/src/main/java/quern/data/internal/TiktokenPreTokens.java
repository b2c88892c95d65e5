package quern.data.internal;

/**
 * The split of a text into pre-tokens that tiktoken's {@code cl100k_base} made common, scanned by hand instead of by its
 * regular expression {@code (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
 * \s*[\r\n]+|\s+(?!\S)|\s+}. Families differ in how many digits go together.
 */
final class TiktokenPreTokens {
    /** The regular expression for three digits at most, as tokenizer files spell it. */
    static final String THREE_DIGITS = pattern("\\p{N}{1,3}");

    /** The same for single digits. */
    static final String SINGLE_DIGITS = pattern("\\p{N}");

    private final int digits;

    /** A split with so many digits together at most. */
    TiktokenPreTokens(int digits) {
        this.digits = digits;
    }

    private static String pattern(String numbers) {
        return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" + numbers
                + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    }

    /** Calls the sink for each pre-token of a range of the text in order, as if nothing were around it. */
    void split(CharSequence text, int from, int length, PreTokens.Sink sink) {
        int at = from;
        while (at < length) {
            int to = end(text, at, length);
            sink.accept(text, at, to);
            at = to;
        }
    }

    private int end(CharSequence text, int at, int length) {
        char c = text.charAt(at);
        if (c == '\'') {
            int contraction = contraction(text, at, length);
            if (contraction > 0) {
                return at + contraction;
            }
        }
        int kind = PreTokens.kindAt(text, at, length);
        if (kind == PreTokens.LETTER) {
            return PreTokens.run(text, at, length, PreTokens.LETTER);
        }
        if (kind == PreTokens.NUMBER) {
            return numbers(text, at, length);
        }
        int next = at + PreTokens.width(text, at, length);
        int nextKind = next < length ? PreTokens.kindAt(text, next, length) : PreTokens.SPACE;
        if (nextKind == PreTokens.LETTER && !isLineEnd(c)) {
            return PreTokens.run(text, next, length, PreTokens.LETTER);
        }
        if (kind == PreTokens.OTHER || (c == ' ' && nextKind == PreTokens.OTHER)) {
            int to = PreTokens.run(text, kind == PreTokens.OTHER ? at : next, length, PreTokens.OTHER);
            while (to < length && isLineEnd(text.charAt(to))) {
                to++;
            }
            return to;
        }
        return whiteSpace(text, at, length);
    }

    private static int whiteSpace(CharSequence text, int at, int length) {
        int to = PreTokens.run(text, at, length, PreTokens.SPACE);
        for (int i = to; i > at; i--) {
            if (isLineEnd(text.charAt(i - 1))) {
                return i;
            }
        }
        // A run of white space leaves its last character to what follows, unless nothing does or it is alone.
        return to < length && to - at > 1 ? to - 1 : to;
    }

    private int numbers(CharSequence text, int from, int length) {
        int at = from;
        for (int i = 0; i < digits && at < length && PreTokens.kindAt(text, at, length) == PreTokens.NUMBER; i++) {
            at += PreTokens.width(text, at, length);
        }
        return at;
    }

    private static boolean isLineEnd(char c) {
        return c == '\n' || c == '\r';
    }

    private static int contraction(CharSequence text, int at, int length) {
        if (at + 1 >= length) {
            return 0;
        }
        char first = folded(text.charAt(at + 1));
        if (first == 's' || first == 't' || first == 'm' || first == 'd') {
            return 2;
        }
        if (at + 2 >= length) {
            return 0;
        }
        char second = folded(text.charAt(at + 2));
        boolean two =
                (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
        return two ? 3 : 0;
    }

    /** Unicode's case folding, as far as it leads to one of the letters asked for. */
    private static char folded(char c) {
        if (c == 'ſ') {
            return 's';
        }
        return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
    }
}
