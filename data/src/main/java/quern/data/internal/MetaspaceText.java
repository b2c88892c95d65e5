package quern.data.internal;

import java.text.Normalizer;

/**
 * Words of a text in Unicode's form NFKC whose blanks became U+2581, one of which begins each word (Kudo and Richardson
 * 2018, "SentencePiece"). Other white space stays inside the words.
 */
final class MetaspaceText {
    /** Stands for a blank. */
    static final char BLANK = '\u2581';

    private MetaspaceText() {}

    /** Calls the sink for each word in order. */
    static void split(String document, PreTokens.Sink sink) {
        String normal = isAscii(document) ? document : Normalizer.normalize(document, Normalizer.Form.NFKC);
        if (normal.isEmpty()) {
            return;
        }
        String text = normal.replace(' ', BLANK);
        if (text.charAt(0) != BLANK) {
            text = BLANK + text;
        }
        int from = 0;
        while (from < text.length()) {
            int to = text.indexOf(BLANK, from + 1);
            to = to < 0 ? text.length() : to;
            sink.accept(text, from, to);
            from = to;
        }
    }

    private static boolean isAscii(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) >= 0x80) {
                return false;
            }
        }
        return true;
    }
}
