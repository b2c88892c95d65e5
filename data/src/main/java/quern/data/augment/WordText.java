package quern.data.augment;

import java.util.ArrayList;
import java.util.List;

/**
 * A text divided into words and what stands between them; together they are the text again. A word is a run of letters,
 * digits and combining marks, with apostrophes inside.
 */
final class WordText {
    /** The words. */
    final List<String> words = new ArrayList<>();

    /** What stands before each word, and after the last: one more than there are words. */
    final List<String> gaps = new ArrayList<>();

    private WordText() {}

    static WordText of(String text) {
        WordText divided = new WordText();
        int gap = 0;
        int at = 0;
        while (at < text.length()) {
            if (!isWord(text.codePointAt(at))) {
                at += Character.charCount(text.codePointAt(at));
                continue;
            }
            int start = at;
            while (at < text.length() && (isWord(text.codePointAt(at)) || isApostrophe(text, at))) {
                at += Character.charCount(text.codePointAt(at));
            }
            divided.gaps.add(text.substring(gap, start));
            divided.words.add(text.substring(start, at));
            gap = at;
        }
        divided.gaps.add(text.substring(gap));
        return divided;
    }

    private static boolean isApostrophe(String text, int at) {
        char c = text.charAt(at);
        return (c == '\'' || c == '\u2019') && at + 1 < text.length() && isWord(text.codePointAt(at + 1));
    }

    private static boolean isWord(int c) {
        return Character.isLetterOrDigit(c)
                || Character.getType(c) == Character.NON_SPACING_MARK
                || Character.getType(c) == Character.COMBINING_SPACING_MARK;
    }

    /** The text that the parts make now. */
    String join() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < words.size(); i++) {
            text.append(gaps.get(i)).append(words.get(i));
        }
        return text.append(gaps.getLast()).toString();
    }
}
