package quern.data.template;

import static quern.data.template.Callable.Arguments.or;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** The filters of texts and numbers, and the way to those of {@link ItemFilters lists}. */
final class Filters {
    /** The filters that there are. */
    static final List<String> NAMES = List.of(
            "abs",
            "attr",
            "batch",
            "capitalize",
            "center",
            "count",
            "d",
            "default",
            "dictsort",
            "e",
            "escape",
            "first",
            "float",
            "forceescape",
            "format",
            "groupby",
            "indent",
            "int",
            "items",
            "join",
            "last",
            "length",
            "list",
            "lower",
            "map",
            "max",
            "min",
            "reject",
            "rejectattr",
            "replace",
            "reverse",
            "round",
            "safe",
            "select",
            "selectattr",
            "slice",
            "sort",
            "string",
            "striptags",
            "sum",
            "title",
            "tojson",
            "trim",
            "truncate",
            "unique",
            "upper",
            "urlencode",
            "wordcount");

    private static final Pattern WORD = Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern WORD_START = Pattern.compile("[-\\s({\\[<]+", Pattern.UNICODE_CHARACTER_CLASS);
    private static final Pattern TAG = Pattern.compile("(?s)<!--.*?-->|<.*?>");
    private static final String UNQUOTED = "_.-~/";

    private final Budget budget;
    private final Access access;
    private final ItemFilters items;

    Filters(Budget budget, Access access) {
        this.budget = budget;
        this.access = access;
        this.items = new ItemFilters(budget, access, this);
    }

    /** What the filter makes of the value. */
    Object apply(String name, Object value, Callable.Arguments a) {
        budget.read(value instanceof String s ? s.length() : 1);
        return switch (name) {
            case "default", "d" -> {
                Object[] v = a.bind("default_value", "boolean");
                boolean takes = value instanceof Undefined || Values.truth(or(v[1], false)) && !Values.truth(value);
                yield takes ? or(v[0], "") : value;
            }
            case "string" -> none(a, Values.text(value));
            case "safe" -> none(a, Values.text(value));
            case "trim" -> {
                Object characters = or(a.bind("chars")[0], null);
                yield PythonText.strip(
                        Values.text(value), characters == null ? null : Values.text(characters), true, true);
            }
            case "upper" -> none(a, PythonText.upper(Values.text(value)));
            case "lower" -> none(a, PythonText.lower(Values.text(value)));
            case "capitalize" -> none(a, PythonText.capitalized(Values.text(value)));
            case "title" -> none(a, titles(Values.text(value)));
            case "replace" -> {
                Object[] v = a.require(2, "old", "new", "count");
                Object count = or(v[2], null);
                yield Methods.replaced(
                        Values.text(value),
                        Values.text(v[0]),
                        Values.text(v[1]),
                        count == null ? -1 : Arithmetic.index(count),
                        budget);
            }
            case "tojson" -> json(value, a);
            case "indent" -> indented(text(value, name), a);
            case "truncate" -> truncated(text(value, name), a);
            case "center" -> Methods.centre(Values.text(value), Methods.width(or(a.bind("width")[0], 80L)), ' ');
            case "wordcount" ->
                none(a, WORD.matcher(Values.text(value)).results().count());
            case "escape", "e", "forceescape" -> none(a, escaped(Values.text(value)));
            case "striptags" ->
                none(
                        a,
                        String.join(
                                " ",
                                PythonText.words(TAG.matcher(Values.text(value)).replaceAll(""), -1).stream()
                                        .map(Values::text)
                                        .toList()));
            case "urlencode" -> none(a, urlEncoded(value));
            case "format" -> formatted(Values.text(value), a);
            case "int" -> whole(value, a);
            case "float" -> real(value, a);
            case "abs" -> none(a, absolute(value));
            case "round" -> rounded(value, a);
            case "length", "count" -> none(a, Values.length(value));
            case "attr" -> attribute(value, a);
            default -> items.apply(name, value, a);
        };
    }

    private Object attribute(Object value, Callable.Arguments a) {
        String name = Values.text(a.require(1, "name")[0]);
        Object found = access.attribute(value, name);
        // Items are no attributes here.
        return value instanceof Map<?, ?> m && m.containsKey(name) && found == m.get(name)
                ? new Undefined("the mapping has no attribute '%s'".formatted(name))
                : found;
    }

    private static Object none(Callable.Arguments arguments, Object value) {
        arguments.none();
        return value;
    }

    private static String text(Object value, String filter) {
        if (value instanceof String s) {
            return s;
        }
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        throw TemplateException.value("|%s needs a string, found %s", filter, Values.type(value));
    }

    private static String titles(String text) {
        StringBuilder out = new StringBuilder();
        var borders = WORD_START.matcher(text);
        int from = 0;
        while (borders.find()) {
            out.append(PythonText.capitalized(text.substring(from, borders.start())));
            out.append(borders.group());
            from = borders.end();
        }
        return out.append(PythonText.capitalized(text.substring(from))).toString();
    }

    private String json(Object value, Callable.Arguments a) {
        Object[] v = a.bind("ensure_ascii", "indent", "separators", "sort_keys");
        Object given = or(v[1], null);
        String indent = switch (given) {
            case null -> null;
            case String s -> s;
            default -> " ".repeat(Math.clamp(Arithmetic.index(given), 0, 1000));
        };
        String between = indent == null ? ", " : ",";
        String afterKey = ": ";
        if (or(v[2], null) != null) {
            List<Object> pair = Values.list(v[2]);
            if (pair.size() != 2) {
                throw TemplateException.value("|tojson: separators are two texts, found %d", pair.size());
            }
            between = text(pair.get(0), "tojson");
            afterKey = text(pair.get(1), "tojson");
        }
        String made = new PythonJson(
                        Values.truth(or(v[0], false)), indent, between, afterKey, Values.truth(or(v[3], false)))
                .write(value);
        budget.characters(made.length());
        return made;
    }

    private String indented(String text, Callable.Arguments a) {
        Object[] v = a.bind("width", "first", "blank");
        Object width = or(v[0], 4L);
        String indent = width instanceof String s ? s : " ".repeat(Math.max(0, Methods.width(width)));
        boolean blank = Values.truth(or(v[2], false));
        StringBuilder out = new StringBuilder(Values.truth(or(v[1], false)) ? indent : "");
        List<Object> lines = PythonText.lines(text + "\n", false);
        for (int i = 0; i < lines.size(); i++) {
            String line = (String) lines.get(i);
            boolean moves = i > 0 && (blank || !line.isEmpty());
            out.append(i == 0 ? "" : "\n").append(moves ? indent : "").append(line);
            budget.characters(line.length() + (long) indent.length());
        }
        return out.toString();
    }

    private static String truncated(String text, Callable.Arguments a) {
        Object[] v = a.bind("length", "killwords", "end", "leeway");
        int length = Arithmetic.index(or(v[0], 255L));
        String end = Values.text(or(v[2], "..."));
        Object leeway = or(v[3], null);
        if (length < Values.length(end)) {
            throw TemplateException.value(
                    "|truncate: length %d is less than the %d of the end", length, Values.length(end));
        }
        if (Values.length(text) <= (long) length + (leeway == null ? 5 : Arithmetic.index(leeway))) {
            return text;
        }
        String cut = text.substring(0, text.offsetByCodePoints(0, length - (int) Values.length(end)));
        int blank = cut.lastIndexOf(' ');
        return (Values.truth(or(v[1], false)) || blank < 0 ? cut : cut.substring(0, blank)) + end;
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace(">", "&gt;")
                .replace("<", "&lt;")
                .replace("'", "&#39;")
                .replace("\"", "&#34;");
    }

    private static String urlEncoded(Object value) {
        if (value instanceof String || !Values.iterable(value)) {
            return urlEncoded(Values.text(value), UNQUOTED);
        }
        StringBuilder out = new StringBuilder();
        for (Object pair : value instanceof Map<?, ?> m ? ItemFilters.pairs(m) : Values.list(value)) {
            List<Object> both = Values.list(pair);
            if (both.size() != 2) {
                throw TemplateException.value("|urlencode needs pairs, found %d values", both.size());
            }
            out.append(out.isEmpty() ? "" : "&")
                    .append(urlEncoded(Values.text(both.get(0)), "_.-~").replace("%20", "+"))
                    .append('=')
                    .append(urlEncoded(Values.text(both.get(1)), "_.-~").replace("%20", "+"));
        }
        return out.toString();
    }

    private static String urlEncoded(String text, String unquoted) {
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            boolean plain = b >= 'a' && b <= 'z'
                    || b >= 'A' && b <= 'Z'
                    || b >= '0' && b <= '9'
                    || b > 0 && unquoted.indexOf(b) >= 0;
            out.append(plain ? String.valueOf((char) b) : "%%%02X".formatted(b & 0xff));
        }
        return out.toString();
    }

    private Object formatted(String format, Callable.Arguments a) {
        if (!a.positional().isEmpty() && !a.named().isEmpty()) {
            throw TemplateException.value("|format takes values by place or by name, not both");
        }
        Object values = a.named().isEmpty() ? new Values.Tuple(a.positional()) : a.named();
        return PythonFormat.percent(format, values, budget);
    }

    private static Object whole(Object value, Callable.Arguments a) {
        Object[] v = a.bind("default", "base");
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        if (value instanceof Double d) {
            return Double.isNaN(d) || Double.isInfinite(d) ? or(v[0], 0L) : truncated(d);
        }
        if (Arithmetic.isWhole(value)) {
            return Arithmetic.narrow(Arithmetic.whole(value));
        }
        if (!(value instanceof String s)) {
            return or(v[0], 0L);
        }
        Object number = wholeOf(s, Arithmetic.index(or(v[1], 10L)));
        if (number != null) {
            return number;
        }
        Double real = realOf(s);
        return real == null || real.isNaN() || real.isInfinite() ? or(v[0], 0L) : truncated(real);
    }

    private static Object truncated(double value) {
        return Arithmetic.narrow(new BigDecimal(value).toBigInteger());
    }

    private static final Pattern DIGITS = Pattern.compile("[+-]?[0-9a-zA-Z]+(_[0-9a-zA-Z]+)*");

    private static Object wholeOf(String text, int base) {
        String digits = PythonText.strip(text, null, true, true);
        if (!DIGITS.matcher(digits).matches() || base < 2 || base > Character.MAX_RADIX) {
            return null;
        }
        String plain = digits.replace("_", "");
        String prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : null;
        int sign = plain.startsWith("+") || plain.startsWith("-") ? 1 : 0;
        if (prefix != null && PythonText.lower(plain).startsWith(prefix, sign)) {
            plain = plain.substring(0, sign) + plain.substring(sign + 2);
        }
        try {
            return Arithmetic.narrow(new BigInteger(plain, base));
        } catch (NumberFormatException e) {
            return null;
        }
    }

    private static final Pattern REAL = Pattern.compile(
            "[+-]?(?:(?:\\d+(?:_\\d+)*\\.?(?:\\d+(?:_\\d+)*)?|\\.\\d+(?:_\\d+)*)(?:[eE][+-]?\\d+(?:_\\d+)*)?|(?i:inf|infinity|nan))");

    private static Double realOf(String text) {
        String number = PythonText.strip(text, null, true, true);
        if (!REAL.matcher(number).matches()) {
            return null;
        }
        String plain = PythonText.lower(number.replace("_", ""));
        boolean negative = plain.startsWith("-");
        if (plain.endsWith("nan")) {
            return Double.NaN;
        }
        if (plain.contains("inf")) {
            return negative ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
        }
        return Double.valueOf(plain);
    }

    private static Object real(Object value, Callable.Arguments a) {
        Object otherwise = or(a.bind("default")[0], 0.0);
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        if (Arithmetic.isNumber(value)) {
            return Arithmetic.real(value);
        }
        Double found = value instanceof String s ? realOf(s) : null;
        return found == null ? otherwise : found;
    }

    private static Object absolute(Object value) {
        if (value instanceof Double d) {
            return Math.abs(d);
        }
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        return Arithmetic.narrow(Arithmetic.whole(value).abs());
    }

    private static Object rounded(Object value, Callable.Arguments a) {
        Object[] v = a.bind("precision", "method");
        int precision = Arithmetic.index(or(v[0], 0L));
        String method = Values.text(or(v[1], "common"));
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        if (!Arithmetic.isNumber(value)) {
            throw TemplateException.value("|round needs a number, found %s", Values.type(value));
        }
        if (Math.abs((long) precision) > 400) {
            throw TemplateException.value("|round: a precision of %d digits", precision);
        }
        double number = Arithmetic.real(value);
        boolean finite = !Double.isNaN(number) && !Double.isInfinite(number);
        switch (method) {
            case "common" -> {
                if (Arithmetic.isWhole(value)) {
                    return precision >= 0
                            ? Arithmetic.narrow(Arithmetic.whole(value))
                            : Arithmetic.narrow(new BigDecimal(Arithmetic.whole(value))
                                    .setScale(precision, RoundingMode.HALF_EVEN)
                                    .toBigInteger());
                }
                return finite
                        ? (Object) Math.copySign(
                                new BigDecimal(number)
                                        .setScale(precision, RoundingMode.HALF_EVEN)
                                        .doubleValue(),
                                number)
                        : value;
            }
            case "ceil", "floor" -> {
                double scale = Math.pow(10, precision);
                if (!finite || Double.isInfinite(scale)) {
                    throw TemplateException.value("|round: %s can't be rounded", Values.text(value));
                }
                double moved = number * scale;
                return (method.equals("ceil") ? Math.ceil(moved) : Math.floor(moved)) / scale;
            }
            default -> throw TemplateException.value("|round: method '%s' is none of common, ceil and floor", method);
        }
    }
}
