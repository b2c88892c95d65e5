package quern.data.template;

import java.math.BigInteger;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into tokens, with Jinja's {@code trim_blocks} and {@code lstrip_blocks}: the first line break behind a
 * statement or comment goes, and so do the blanks before one that begins a line. A {@code -} inside a tag strips all white
 * space on its side, a {@code +} keeps it.
 */
final class Lexer {
    private static final Pattern RAW = Pattern.compile("\\{%([-+]?)\\s*raw\\s*(-%\\}\\s*|%\\})", flags());
    private static final Pattern END_RAW =
            Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)", flags());
    private static final Pattern CLOSE_BLOCK = Pattern.compile("\\+%\\}|-%\\}\\s*|%\\}\\n?", flags());
    private static final Pattern CLOSE_VARIABLE = Pattern.compile("-\\}\\}\\s*|\\}\\}", flags());
    private static final Pattern FLOAT = Pattern.compile(
            "(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?[eE][+-]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)");
    private static final Pattern INTEGER =
            Pattern.compile("0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?\\d)*|0(?:_?0)*");
    private static final Pattern NAME = Pattern.compile("\\w+", flags());
    private static final List<String> OPERATORS = List.of(
            "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
            "=", ".", ":", "|", ",", ";");

    private static int flags() {
        return Pattern.UNICODE_CHARACTER_CLASS;
    }

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int at;
    private int line = 1;
    private int counted;
    private boolean lineStarts = true;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokens(String text) {
        String source = text.replace("\r\n", "\n").replace('\r', '\n');
        if (source.endsWith("\n")) {
            source = source.substring(0, source.length() - 1);
        }
        Lexer lexer = new Lexer(source);
        lexer.root();
        lexer.add(Token.Kind.END, "");
        return lexer.tokens;
    }

    private void moveTo(int to) {
        at = to;
        while (counted < to) {
            line += source.charAt(counted++) == '\n' ? 1 : 0;
        }
    }

    private TemplateException error(String message) {
        return new TemplateException(TemplateException.Kind.SYNTAX, line, message);
    }

    private void add(Token.Kind kind, String text) {
        tokens.add(new Token(kind, text, line));
    }

    private void data(String text) {
        if (!text.isEmpty()) {
            add(Token.Kind.DATA, text);
        }
    }

    private Matcher match(Pattern pattern) {
        Matcher matcher = pattern.matcher(source).region(at, source.length()).useTransparentBounds(true);
        return matcher.lookingAt() ? matcher : null;
    }

    private void root() {
        while (at < source.length()) {
            int open = nextTag(at);
            String text = source.substring(at, open < 0 ? source.length() : open);
            if (open < 0) {
                data(text);
                moveTo(source.length());
                return;
            }
            char kind = source.charAt(open + 1);
            char sign = open + 2 < source.length() ? source.charAt(open + 2) : ' ';
            data(stripped(text, sign, kind != '{'));
            moveTo(open);
            Matcher raw = kind == '%' ? match(RAW) : null;
            if (raw != null) {
                raw(raw);
            } else if (kind == '#') {
                comment(sign);
            } else {
                add(kind == '%' ? Token.Kind.OPEN_BLOCK : Token.Kind.OPEN_VARIABLE, source.substring(open, open + 2));
                moveTo(open + (sign == '-' || sign == '+' ? 3 : 2));
                code(kind == '%');
            }
            lineStarts = source.charAt(at - 1) == '\n';
        }
    }

    private int nextTag(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char next = source.charAt(i + 1);
            if (next == '{' || next == '%' || next == '#') {
                return i;
            }
        }
        return -1;
    }

    /** The text before a tag without the white space that the tag takes with it. */
    private String stripped(String text, char sign, boolean block) {
        if (sign == '-') {
            return PythonText.strip(text, null, false, true);
        }
        int start = text.lastIndexOf('\n') + 1;
        boolean blank =
                start < text.length() && text.substring(start).codePoints().allMatch(PythonText::isSpace);
        return sign != '+' && block && (start > 0 || lineStarts) && blank ? text.substring(0, start) : text;
    }

    private void comment(char sign) {
        int from = at + (sign == '-' || sign == '+' ? 3 : 2);
        int end = source.indexOf("#}", from);
        if (end < 0) {
            throw error("a comment is not closed; expected '#}'");
        }
        char last = end > from ? source.charAt(end - 1) : ' ';
        int after = end + 2;
        if (last == '-') {
            after = pastSpace(after);
        } else if (last != '+' && after < source.length() && source.charAt(after) == '\n') {
            after++;
        }
        moveTo(after);
    }

    private int pastSpace(int from) {
        int to = from;
        while (to < source.length() && PythonText.isSpace(source.codePointAt(to))) {
            to++;
        }
        return to;
    }

    private void raw(Matcher open) {
        moveTo(open.end());
        Matcher end = END_RAW.matcher(source);
        if (!end.find(at)) {
            throw error("raw is not closed; expected '{% endraw %}'");
        }
        String text = source.substring(at, end.start());
        lineStarts = source.charAt(at - 1) == '\n';
        data(stripped(text, end.group(1).isEmpty() ? ' ' : end.group(1).charAt(0), true));
        moveTo(end.end());
    }

    private void code(boolean block) {
        Deque<Character> open = new ArrayDeque<>();
        while (true) {
            Matcher close = open.isEmpty() ? match(block ? CLOSE_BLOCK : CLOSE_VARIABLE) : null;
            if (close != null) {
                add(block ? Token.Kind.CLOSE_BLOCK : Token.Kind.CLOSE_VARIABLE, block ? "%}" : "}}");
                moveTo(close.end());
                return;
            }
            if (at >= source.length()) {
                throw error("a tag is not closed; expected '%s'".formatted(block ? "%}" : "}}"));
            }
            int c = source.codePointAt(at);
            if (PythonText.isSpace(c)) {
                moveTo(at + 1);
            } else if (c == '\'' || c == '"') {
                string(c);
            } else if (!number() && !name()) {
                operator(open);
            }
        }
    }

    private boolean number() {
        if (!Character.isDigit(source.charAt(at))) {
            return false;
        }
        Matcher real = match(FLOAT);
        if (real != null) {
            number(real, Double.valueOf(real.group().replace("_", "")));
            return true;
        }
        Matcher whole = match(INTEGER);
        if (whole == null) {
            return false;
        }
        String digits = whole.group().replace("_", "").toLowerCase(Locale.ROOT);
        int radix = digits.startsWith("0b") ? 2 : digits.startsWith("0o") ? 8 : digits.startsWith("0x") ? 16 : 10;
        number(whole, Arithmetic.narrow(new BigInteger(radix == 10 ? digits : digits.substring(2), radix)));
        return true;
    }

    private void number(Matcher found, Object value) {
        tokens.add(new Token(Token.Kind.NUMBER, found.group(), value, line));
        moveTo(found.end());
    }

    private boolean name() {
        Matcher name = match(NAME);
        if (name == null) {
            return false;
        }
        add(Token.Kind.NAME, name.group());
        moveTo(name.end());
        return true;
    }

    private void operator(Deque<Character> open) {
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, at)) {
                balance(operator.charAt(0), open);
                add(Token.Kind.OPERATOR, operator);
                moveTo(at + operator.length());
                return;
            }
        }
        throw error("unexpected character '%s'".formatted(Character.toString(source.codePointAt(at))));
    }

    private void balance(char c, Deque<Character> open) {
        int opening = "([{".indexOf(c);
        int closing = ")]}".indexOf(c);
        if (opening >= 0) {
            open.push(")]}".charAt(opening));
        } else if (closing >= 0) {
            Character expected = open.poll();
            if (expected == null || expected != c) {
                throw error("unexpected '%s'%s".formatted(c, expected == null ? "" : "; expected '" + expected + "'"));
            }
        }
    }

    private void string(int quote) {
        int end = at + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw error("a string is not closed; expected %s".formatted(Character.toString(quote)));
        }
        add(Token.Kind.STRING, unescaped(source.substring(at + 1, end)));
        moveTo(end + 1);
    }

    private String unescaped(String text) {
        if (text.indexOf('\\') < 0) {
            return text;
        }
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != '\\') {
                out.append(c);
                continue;
            }
            i++;
            char e = text.charAt(i);
            int simple = "abfnrtv\\'\"".indexOf(e);
            if (e == '\n') {
                continue;
            } else if (simple >= 0) {
                out.append("\u0007\b\f\n\r\t\u000b\\'\"".charAt(simple));
            } else if (e == 'x' || e == 'u' || e == 'U') {
                int digits = e == 'x' ? 2 : e == 'u' ? 4 : 8;
                out.appendCodePoint(code(text, i + 1, i + 1 + digits, 16));
                i += digits;
            } else if (e >= '0' && e <= '7') {
                int to = i;
                while (to < text.length() && to < i + 3 && text.charAt(to) >= '0' && text.charAt(to) <= '7') {
                    to++;
                }
                out.appendCodePoint(code(text, i, to, 8));
                i = to - 1;
            } else {
                out.append('\\').append(e);
            }
        }
        return out.toString();
    }

    private int code(String text, int from, int to, int radix) {
        try {
            int code = Integer.parseInt(text.substring(from, Math.min(to, text.length())), radix);
            if (to <= text.length() && Character.isValidCodePoint(code)) {
                return code;
            }
        } catch (NumberFormatException e) {
            throw error("a string has a wrong escape sequence");
        }
        throw error("a string has a wrong escape sequence");
    }
}
