package quern.data.dedup;

import java.io.Serializable;

/**
 * What differences between two texts do not count when they are compared.
 *
 * @param lowercase whether letters are compared in lower case
 * @param stripPunctuation whether punctuation and symbols are left out
 * @param collapseWhitespace whether any run of white space counts as one blank, and none at the ends
 * @param unicode the normal form that texts are brought to first
 */
public record Folding(boolean lowercase, boolean stripPunctuation, boolean collapseWhitespace, UnicodeForm unicode)
        implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Punctuation (P*) and symbols (S*) of Unicode. */
    private static final int LEFT_OUT = 1 << Character.CONNECTOR_PUNCTUATION
            | 1 << Character.DASH_PUNCTUATION
            | 1 << Character.START_PUNCTUATION
            | 1 << Character.END_PUNCTUATION
            | 1 << Character.INITIAL_QUOTE_PUNCTUATION
            | 1 << Character.FINAL_QUOTE_PUNCTUATION
            | 1 << Character.OTHER_PUNCTUATION
            | 1 << Character.MATH_SYMBOL
            | 1 << Character.CURRENCY_SYMBOL
            | 1 << Character.MODIFIER_SYMBOL
            | 1 << Character.OTHER_SYMBOL;

    /** What {@link #ASCII} says of a character that is white space, or that is left out; others stand for themselves. */
    private static final byte BLANK = -1;

    private static final byte NOTHING = -2;

    /**
     * The text after folding, in a buffer that is used again.
     *
     * <p>Not safe for several threads at once.
     */
    static final class Buffer {
        private final Folding folding;
        private final byte[] ascii = new byte[128];
        private char[] chars = new char[4096];
        private int length;

        Buffer(Folding folding) {
            this.folding = folding;
            for (int c = 0; c < ascii.length; c++) {
                ascii[c] = (byte) folding.folded(c);
            }
        }

        char[] chars() {
            return chars;
        }

        int length() {
            return length;
        }

        /** Folds {@code text}. */
        Buffer fold(String text) {
            String normal = folding.unicode.apply(text);
            int most = normal.length();
            if (chars.length < most) {
                chars = new char[Math.max(most, 2 * chars.length)];
            }
            char[] out = chars;
            int n = 0;
            boolean blank = false;
            int i = 0;
            while (i < most) {
                char unit = normal.charAt(i);
                int point = unit;
                int folded;
                if (unit < 128) {
                    folded = ascii[unit];
                    i++;
                } else {
                    point = normal.codePointAt(i);
                    folded = folding.folded(point);
                    i += Character.charCount(point);
                }
                if (folded == BLANK) {
                    if (folding.collapseWhitespace) {
                        blank = n > 0;
                    } else {
                        out[n++] = (char) point;
                    }
                } else if (folded != NOTHING) {
                    if (blank) {
                        out[n++] = ' ';
                        blank = false;
                    }
                    if (folded < Character.MIN_SUPPLEMENTARY_CODE_POINT) {
                        out[n++] = (char) folded;
                    } else {
                        n += Character.toChars(folded, out, n);
                    }
                }
            }
            length = n;
            return this;
        }
    }

    /** The code point that stands for {@code point}, or {@link #BLANK} or {@link #NOTHING}. */
    private int folded(int point) {
        if (isBlank(point)) {
            return BLANK;
        }
        if (stripPunctuation && (1 << Character.getType(point) & LEFT_OUT) != 0) {
            return NOTHING;
        }
        return lowercase ? Character.toLowerCase(point) : point;
    }

    /** White space, whether a line may be broken there or not, and the zero-width space. */
    static boolean isBlank(int point) {
        return Character.isWhitespace(point) || Character.isSpaceChar(point) || point == 0x200B || point == 0xFEFF;
    }

    /** Whether a text written in this script has no blanks between its words, so that each letter counts as a word. */
    static boolean isWordAlone(int point) {
        if (point < 0x0E00) {
            return false;
        }
        return Character.isIdeographic(point)
                || switch (Character.UnicodeScript.of(point)) {
                    case HIRAGANA, KATAKANA, THAI, LAO, KHMER, MYANMAR -> true;
                    default -> false;
                };
    }
}
