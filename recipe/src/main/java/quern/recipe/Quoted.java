package quern.recipe;

/** Shows text from elsewhere inside a one-line message: control characters escaped, long text cut. */
public final class Quoted {
    private static final int LONGEST = 60;
    private static final int LONGEST_MESSAGE = 200;

    private Quoted() {}

    /** The text in single quotes. */
    static String text(String text) {
        return "'" + line(text) + "'";
    }

    /** The text without quotes, safe to print on one line. */
    static String line(String text) {
        return line(text, LONGEST);
    }

    /** What a failure says, as {@link #message(String)} shows it. */
    public static String message(Throwable failure) {
        return message(failure.getMessage());
    }

    /** The first line of another library's message, cut only where it is longer than a sentence. */
    public static String message(String text) {
        return text == null ? "unreadable" : line(text.lines().findFirst().orElse("unreadable"), LONGEST_MESSAGE);
    }

    private static String line(String text, int longest) {
        StringBuilder shown = new StringBuilder();
        int taken = 0;
        for (int i = 0; i < text.length(); ) {
            int point = text.codePointAt(i);
            if (taken++ == longest) {
                return shown.append('…').toString();
            }
            if (shown(point)) {
                shown.appendCodePoint(point);
            } else {
                shown.append(escape(point));
            }
            i += Character.charCount(point);
        }
        return shown.toString();
    }

    /** Whether a character has a shape of its own on a line of text. */
    static boolean shown(int point) {
        return switch (Character.getType(point)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            default -> true;
        };
    }

    private static String escape(int point) {
        return switch (point) {
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            default -> "\\u{%x}".formatted(point);
        };
    }
}
