package quern.data.template;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What Python's {@code str} does: characters are code points, and {@code repr} writes a value as code. */
final class PythonText {
    private static final int DEEPEST = 200;
    private static final int HIGHEST_PLAIN_EXPONENT = 16;
    private static final int LOWEST_PLAIN_EXPONENT = -4;

    private PythonText() {}

    static boolean isSpace(int c) {
        return c >= '\t' && c <= '\r'
                || c >= 0x1c && c <= ' '
                || c == 0x85
                || c == 0xa0
                || c > 0xa0 && (Character.isSpaceChar(c));
    }

    static List<Object> characters(String text) {
        List<Object> all = new ArrayList<>(text.length());
        text.codePoints().mapToObj(Character::toString).forEach(all::add);
        return all;
    }

    /** By code points, as Python orders strings. */
    static int compare(String a, String b) {
        int at = 0;
        while (at < a.length() && at < b.length() && a.charAt(at) == b.charAt(at)) {
            at++;
        }
        if (at == a.length() || at == b.length()) {
            return Integer.compare(a.length(), b.length());
        }
        if (at > 0 && Character.isHighSurrogate(a.charAt(at - 1))) {
            at--;
        }
        return Integer.compare(a.codePointAt(at), b.codePointAt(at));
    }

    /**
     * Without characters at its ends.
     *
     * @param characters which ones; null for white space
     */
    static String strip(String text, String characters, boolean left, boolean right) {
        int from = 0;
        int to = text.length();
        while (left && from < to && goes(text.codePointAt(from), characters)) {
            from += Character.charCount(text.codePointAt(from));
        }
        while (right && from < to && goes(text.codePointBefore(to), characters)) {
            to -= Character.charCount(text.codePointBefore(to));
        }
        return text.substring(from, to);
    }

    private static boolean goes(int c, String characters) {
        return characters == null ? isSpace(c) : characters.indexOf(c) >= 0;
    }

    /** Cut at white space. */
    static List<Object> words(String text, int most) {
        List<Object> words = new ArrayList<>();
        String rest = strip(text, null, true, false);
        while (!rest.isEmpty()) {
            int end = 0;
            while (end < rest.length() && !isSpace(rest.codePointAt(end))) {
                end += Character.charCount(rest.codePointAt(end));
            }
            if (words.size() == most || end == rest.length()) {
                words.add(words.size() == most ? rest : strip(rest, null, false, true));
                break;
            }
            words.add(rest.substring(0, end));
            rest = strip(rest.substring(end), null, true, false);
        }
        return words;
    }

    /** Cut at white space, beginning at the right. */
    static List<Object> wordsFromRight(String text, int most) {
        List<Object> words = new ArrayList<>();
        String rest = strip(text, null, false, true);
        while (!rest.isEmpty()) {
            int start = rest.length();
            while (start > 0 && !isSpace(rest.codePointBefore(start))) {
                start -= Character.charCount(rest.codePointBefore(start));
            }
            if (words.size() == most || start == 0) {
                words.addFirst(rest);
                break;
            }
            words.addFirst(rest.substring(start));
            rest = strip(rest.substring(0, start), null, false, true);
        }
        return words;
    }

    static List<Object> split(String text, String separator, int most) {
        List<Object> parts = new ArrayList<>();
        int from = 0;
        for (int at = text.indexOf(separator); at >= 0 && parts.size() != most; at = text.indexOf(separator, from)) {
            parts.add(text.substring(from, at));
            from = at + separator.length();
        }
        parts.add(text.substring(from));
        return parts;
    }

    static List<Object> splitFromRight(String text, String separator, int most) {
        List<Object> parts = new ArrayList<>();
        String rest = text;
        for (int at = rest.lastIndexOf(separator); at >= 0 && parts.size() != most; at = rest.lastIndexOf(separator)) {
            parts.addFirst(rest.substring(at + separator.length()));
            rest = rest.substring(0, at);
        }
        parts.addFirst(rest);
        return parts;
    }

    static List<Object> lines(String text, boolean keepEnds) {
        List<Object> lines = new ArrayList<>();
        int from = 0;
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            boolean ends = c >= '\n' && c <= '\r' || c >= 0x1c && c <= 0x1e || c == 0x85 || c == 0x2028 || c == 0x2029;
            if (ends) {
                int after = c == '\r' && at + 1 < text.length() && text.charAt(at + 1) == '\n' ? at + 2 : at + 1;
                lines.add(text.substring(from, keepEnds ? after : at));
                from = after;
                at = after - 1;
            }
        }
        if (from < text.length()) {
            lines.add(text.substring(from));
        }
        return lines;
    }

    static String replace(String text, String old, String with, int most) {
        if (most < 0 && !old.isEmpty()) {
            return text.replace(old, with);
        }
        StringBuilder out = new StringBuilder();
        int from = 0;
        int done = 0;
        while (done != most) {
            int at = text.indexOf(old, from);
            if (at < 0) {
                break;
            }
            done++;
            if (old.isEmpty()) {
                out.append(with);
                if (from == text.length()) {
                    return out.toString();
                }
                int next = from + Character.charCount(text.codePointAt(from));
                out.append(text, from, next);
                from = next;
            } else {
                out.append(text, from, at).append(with);
                from = at + old.length();
            }
        }
        return out.append(text.substring(from)).toString();
    }

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    private static String titled(int c) {
        int title = Character.toTitleCase(c);
        return title == c ? upper(Character.toString(c)) : Character.toString(title);
    }

    static String capitalized(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return titled(first) + lower(text.substring(Character.charCount(first)));
    }

    /** Every run of letters capitalized. */
    static String titles(String text) {
        StringBuilder out = new StringBuilder();
        boolean within = false;
        for (int c : text.codePoints().toArray()) {
            boolean cased = Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
            out.append(cased && !within ? titled(c) : lower(Character.toString(c)));
            within = cased;
        }
        return out.toString();
    }

    /** Writes a value as code. */
    static void represent(Object value, StringBuilder out, int depth) {
        if (depth > DEEPEST) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, 0, "a value is nested more than %d deep".formatted(DEEPEST));
        }
        Budget.check(out);
        switch (value) {
            case null -> out.append("None");
            case Boolean b -> out.append(b ? "True" : "False");
            case Double d -> out.append(real(d));
            case String s -> quote(s, out);
            case Values.Range r -> out.append(r);
            case List<?> l -> items("[", Values.objects(l), "]", out, depth);
            case Values.Tuple t -> items("(", t.items(), t.items().size() == 1 ? ",)" : ")", out, depth);
            case Values.View v -> items(v.kind() + "([", v.items(), "])", out, depth);
            case Map<?, ?> m -> {
                out.append('{');
                Iterator<? extends Map.Entry<?, ?>> entries = m.entrySet().iterator();
                while (entries.hasNext()) {
                    Map.Entry<?, ?> entry = entries.next();
                    represent(entry.getKey(), out, depth + 1);
                    out.append(": ");
                    represent(entry.getValue(), out, depth + 1);
                    out.append(entries.hasNext() ? ", " : "");
                }
                out.append('}');
            }
            case Undefined u -> out.append("Undefined");
            case Values.Namespace n -> {
                out.append("<Namespace ");
                represent(n.fields(), out, depth + 1);
                out.append('>');
            }
            case Values.Lazy l -> throw TemplateException.value("a %s can't be printed; add |list", l.kind());
            case Callable c -> throw TemplateException.value("a function can't be printed; add () to call it");
            default -> out.append(value);
        }
    }

    private static void items(String open, List<Object> items, String close, StringBuilder out, int depth) {
        out.append(open);
        for (int i = 0; i < items.size(); i++) {
            out.append(i == 0 ? "" : ", ");
            represent(items.get(i), out, depth + 1);
        }
        out.append(close);
    }

    private static void quote(String text, StringBuilder out) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        text.codePoints().forEach(c -> {
            if (c == quote || c == '\\') {
                out.append('\\').appendCodePoint(c);
            } else if (c == '\n' || c == '\r' || c == '\t') {
                out.append('\\').append(c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
            } else if (isPrintable(c)) {
                out.appendCodePoint(c);
            } else {
                out.append((c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x").formatted(c));
            }
        });
        out.append(quote);
    }

    private static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> c == ' ';
            default -> true;
        };
    }

    /** A number with as few digits as tell it from its neighbours, with an exponent where it is very large or small. */
    static String real(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal decimal = new BigDecimal(Double.toString(Math.abs(value))).stripTrailingZeros();
        String digits = decimal.unscaledValue().toString();
        int exponent = digits.length() - decimal.scale() - 1;
        String sign = value < 0 ? "-" : "";
        if (exponent < LOWEST_PLAIN_EXPONENT || exponent >= HIGHEST_PLAIN_EXPONENT) {
            String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
            return String.format(
                    Locale.ROOT,
                    "%s%s%se%s%02d",
                    sign,
                    digits.charAt(0),
                    fraction,
                    exponent < 0 ? "-" : "+",
                    Math.abs(exponent));
        }
        String plain = decimal.toPlainString();
        return sign + (plain.indexOf('.') < 0 ? plain + ".0" : plain);
    }
}
