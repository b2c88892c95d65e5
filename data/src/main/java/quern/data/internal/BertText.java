package quern.data.internal;

import java.text.Normalizer;

/**
 * Words of a text as BERT sees them (Devlin et al. 2019): control characters dropped, ideographs on their own, accents
 * stripped and letters lowered where wanted, cut at white space and around each punctuation mark. For one thread.
 */
final class BertText implements WordCounts.Splitter {
    /** Code points whose normalised form is remembered once it was asked for. */
    private static final int REMEMBERED = 1 << 16;

    private final boolean cleanText;
    private final boolean isolateIdeographs;
    private final boolean stripAccents;
    private final boolean lowercase;
    private final String[] forms = new String[REMEMBERED];
    private final StringBuilder word = new StringBuilder();

    BertText(boolean cleanText, boolean isolateIdeographs, boolean stripAccents, boolean lowercase) {
        this.cleanText = cleanText;
        this.isolateIdeographs = isolateIdeographs;
        this.stripAccents = stripAccents;
        this.lowercase = lowercase;
    }

    @Override
    public void split(String document, PreTokens.Sink sink) {
        int length = document.length();
        for (int i = 0; i < length; ) {
            int c = document.codePointAt(i);
            i += Character.charCount(c);
            if (c < 0x80) {
                ascii((char) c, sink);
            } else {
                other(c, sink);
            }
        }
        flush(sink);
    }

    private void ascii(char c, PreTokens.Sink sink) {
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            word.append(c);
        } else if (c >= 'A' && c <= 'Z') {
            word.append(lowercase ? (char) (c | 0x20) : c);
        } else if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            flush(sink);
        } else if (c > ' ' && c < 0x7F) {
            mark(c, sink);
        } else if (!cleanText) {
            normalised(c, sink);
        }
    }

    private void other(int c, PreTokens.Sink sink) {
        if (cleanText) {
            if (c == 0xFFFD || isControl(c)) {
                return;
            }
            if (PreTokens.isSpace(c)) {
                flush(sink);
                return;
            }
        }
        boolean alone = isolateIdeographs && isIdeograph(c);
        if (alone) {
            flush(sink);
        }
        String form = form(c);
        for (int i = 0; i < form.length(); ) {
            int part = form.codePointAt(i);
            i += Character.charCount(part);
            normalised(part, sink);
        }
        if (alone) {
            flush(sink);
        }
    }

    private void normalised(int c, PreTokens.Sink sink) {
        if (PreTokens.isSpace(c)) {
            flush(sink);
        } else if (isPunctuation(c)) {
            mark(c, sink);
        } else {
            word.appendCodePoint(c);
        }
    }

    private void mark(int c, PreTokens.Sink sink) {
        flush(sink);
        word.appendCodePoint(c);
        flush(sink);
    }

    private void flush(PreTokens.Sink sink) {
        if (!word.isEmpty()) {
            sink.accept(word, 0, word.length());
            word.setLength(0);
        }
    }

    private String form(int c) {
        if (c >= REMEMBERED) {
            return newForm(c);
        }
        if (forms[c] == null) {
            forms[c] = newForm(c);
        }
        return forms[c];
    }

    private String newForm(int c) {
        String text = Character.toString(c);
        if (stripAccents) {
            StringBuilder bare = new StringBuilder();
            Normalizer.normalize(text, Normalizer.Form.NFD)
                    .codePoints()
                    .filter(p -> Character.getType(p) != Character.NON_SPACING_MARK)
                    .forEach(bare::appendCodePoint);
            text = bare.toString();
        }
        if (!lowercase) {
            return text;
        }
        StringBuilder lower = new StringBuilder();
        text.codePoints().forEach(p -> {
            if (p == 0x130) {
                // The only letter whose small form is two code points.
                lower.append("i\u0307");
            } else {
                lower.appendCodePoint(Character.toLowerCase(p));
            }
        });
        return lower.toString();
    }

    private static boolean isControl(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE, Character.SURROGATE -> true;
            default -> false;
        };
    }

    private static boolean isPunctuation(int c) {
        if (c < 0x80) {
            return (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') || (c > 'z' && c < 0x7F);
        }
        return switch (Character.getType(c)) {
            case Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION,
                    Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION -> true;
            default -> false;
        };
    }

    private static boolean isIdeograph(int c) {
        return (c >= 0x4E00 && c <= 0x9FFF)
                || (c >= 0x3400 && c <= 0x4DBF)
                || (c >= 0x20000 && c <= 0x2A6DF)
                || (c >= 0x2A700 && c <= 0x2B73F)
                || (c >= 0x2B740 && c <= 0x2B81F)
                || (c >= 0x2B920 && c <= 0x2CEAF)
                || (c >= 0xF900 && c <= 0xFAFF)
                || (c >= 0x2F800 && c <= 0x2FA1F);
    }
}
