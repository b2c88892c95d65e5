package quern.cli;

import java.io.PrintStream;
import java.util.Locale;
import java.util.Map;
import quern.cli.internal.Posix;

/**
 * Where lines go, and what may be written there.
 *
 * @param out the stream
 * @param interactive true if a person watches: a terminal that understands control sequences. Otherwise only plain,
 *     complete lines may be written
 * @param columns the width in characters; 80 where it is not known
 * @param colour true if colours may be used: a terminal, and {@code NO_COLOR} is unset or empty
 * @param unicode true if the locale's character set is UTF-8, so that block and braille characters will show
 */
public record Terminal(PrintStream out, boolean interactive, int columns, boolean colour, boolean unicode) {
    /** Used where the width is unknown. */
    public static final int DEFAULT_COLUMNS = 80;

    /** Standard output. */
    public static Terminal stdout() {
        return of(System.out, Posix.STDOUT, System.getenv());
    }

    /** Standard error. */
    public static Terminal stderr() {
        return of(System.err, Posix.STDERR, System.getenv());
    }

    /** Plain lines of 80 characters into a stream, as in a log file. */
    public static Terminal plain(PrintStream out) {
        return new Terminal(out, false, DEFAULT_COLUMNS, false, false);
    }

    static Terminal of(PrintStream out, int descriptor, Map<String, String> environment) {
        boolean interactive = !environment.getOrDefault("TERM", "dumb").equals("dumb") && Posix.isTerminal(descriptor);
        int columns = interactive ? Posix.columns(descriptor) : 0;
        boolean colour = interactive && environment.getOrDefault("NO_COLOR", "").isEmpty();
        return new Terminal(out, interactive, columns > 0 ? columns : DEFAULT_COLUMNS, colour, isUnicode(environment));
    }

    static boolean isUnicode(Map<String, String> environment) {
        for (String name : new String[] {"LC_ALL", "LC_CTYPE", "LANG"}) {
            String value = environment.getOrDefault(name, "");
            if (!value.isEmpty()) {
                String lower = value.toLowerCase(Locale.ROOT);
                return lower.endsWith("utf-8") || lower.endsWith("utf8");
            }
        }
        return false;
    }

    /** The text in one of the eight ANSI colours (31 red, 32 green, 33 yellow, 36 cyan…), or as it is without colour. */
    public String paint(int code, String text) {
        return colour ? "\u001b[" + code + "m" + text + "\u001b[0m" : text;
    }
}
