package quern.data.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Python's two ways of putting values into a text: {@code %} and {@code format}. */
final class PythonFormat {
    private static final Pattern PERCENT = Pattern.compile(
            "%(?:\\((?<key>[^)]*)\\))?(?<flags>[-+ #0]*)(?<width>\\d+)?(?:\\.(?<precision>\\d+))?(?<type>.)");
    private static final Pattern SPEC = Pattern.compile(
            "(?:(?<fill>.)?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alt>#)?(?<zero>0)?(?<width>\\d+)?(?<group>[,_])?(?:\\.(?<precision>\\d+))?(?<type>[a-zA-Z%])?",
            Pattern.DOTALL);
    private static final int WIDEST = 10_000;

    private PythonFormat() {}

    /** {@code format % values}. */
    static String percent(String format, Object values, Budget budget) {
        List<Object> ordered = values instanceof Values.Tuple(List<Object> items)
                ? items
                : values instanceof Map<?, ?> ? null : List.of(new Holder(values));
        int next = 0;
        StringBuilder out = new StringBuilder();
        Matcher place = PERCENT.matcher(format);
        int from = 0;
        while (place.find(from)) {
            out.append(format, from, place.start());
            from = place.end();
            String type = place.group("type");
            if (type.equals("%")) {
                out.append('%');
                continue;
            }
            Object value;
            if (place.group("key") != null) {
                if (!(values instanceof Map<?, ?> map) || !map.containsKey(place.group("key"))) {
                    throw TemplateException.value("'%%': no value for '%s'", place.group("key"));
                }
                value = map.get(place.group("key"));
            } else if (ordered == null && next++ == 0) {
                value = values;
            } else if (ordered != null && next < ordered.size()) {
                value = ordered.get(next++);
            } else {
                throw TemplateException.value("'%%': more places than values");
            }
            out.append(percentValue(place, value instanceof Holder(Object held) ? held : value));
            budget.characters(out.length());
        }
        if (ordered != null && next < ordered.size()) {
            throw TemplateException.value("'%%': more values than places");
        }
        String rest = format.substring(from);
        if (rest.indexOf('%') >= 0) {
            throw TemplateException.value("'%%': a place is not complete");
        }
        return out.append(rest).toString();
    }

    /** One value, which may be null, in a list that may hold none. */
    private record Holder(Object value) {}

    private static String percentValue(Matcher place, Object value) {
        String flags = place.group("flags");
        int precision = number(place.group("precision"), -1);
        String type = place.group("type");
        boolean whole = "diuxXo".contains(type);
        String text = switch (type) {
            case "s" -> cut(Values.text(value), precision);
            case "r" -> cut(represented(value), precision);
            case "c" -> value instanceof String s ? s : Character.toString(Arithmetic.index(value));
            default -> {
                if (!whole && !"eEfFgG".contains(type)) {
                    throw TemplateException.value("'%%': unknown kind '%s'", type);
                }
                if (!Arithmetic.isNumber(value)) {
                    throw TemplateException.value("'%%%s' needs a number, found %s", type, Values.type(value));
                }
                Object number = whole && value instanceof Double d
                        ? Arithmetic.narrow(new BigDecimal(d).toBigInteger())
                        : value;
                String sign = flags.contains("+") ? "+" : flags.contains(" ") ? " " : "";
                yield signed(number(number, type.equals("i") || type.equals("u") ? "d" : type, precision), sign);
            }
        };
        int width = number(place.group("width"), 0);
        if (flags.contains("-")) {
            return pad(text, width, ' ', '<');
        }
        boolean zeros = flags.contains("0") && !"src".contains(type);
        return pad(text, width, zeros ? '0' : ' ', zeros ? '=' : '>');
    }

    static String represented(Object value) {
        StringBuilder out = new StringBuilder();
        PythonText.represent(value, out, 0);
        return out.toString();
    }

    private static String cut(String text, int most) {
        return most < 0 || text.codePointCount(0, text.length()) <= most
                ? text
                : text.substring(0, text.offsetByCodePoints(0, most));
    }

    private static int number(String digits, int otherwise) {
        if (digits == null) {
            return otherwise;
        }
        int number = digits.length() > 5 ? Integer.MAX_VALUE : Integer.parseInt(digits);
        if (number > WIDEST) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, 0, "a format asks for more than %,d characters".formatted(WIDEST));
        }
        return number;
    }

    private static String signed(String number, String sign) {
        return number.startsWith("-") ? number : sign + number;
    }

    /** {@code format.format(...)}; {@code lookup} finds attributes and items. */
    static String format(
            String format,
            Callable.Arguments arguments,
            BiFunction<Object, Object, Object> attribute,
            BiFunction<Object, Object, Object> item,
            Budget budget) {
        StringBuilder out = new StringBuilder();
        int next = 0;
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if ((c == '{' || c == '}') && i + 1 < format.length() && format.charAt(i + 1) == c) {
                out.append(c);
                i++;
            } else if (c == '}') {
                throw TemplateException.value("format: a single '}' in '%s'", format);
            } else if (c != '{') {
                out.append(c);
            } else {
                int end = format.indexOf('}', i);
                if (end < 0) {
                    throw TemplateException.value("format: a '{' is not closed in '%s'", format);
                }
                String field = format.substring(i + 1, end);
                int colon = field.indexOf(':');
                String spec = colon < 0 ? "" : field.substring(colon + 1);
                String name = colon < 0 ? field : field.substring(0, colon);
                int bang = name.indexOf('!');
                String conversion = bang < 0 ? "" : name.substring(bang + 1);
                String path = bang < 0 ? name : name.substring(0, bang);
                boolean automatic = path.isEmpty() || path.charAt(0) == '.' || path.charAt(0) == '[';
                Object value = value(automatic ? next++ + path : path, arguments, attribute, item);
                out.append(spec(
                        conversion.equals("r")
                                ? represented(value)
                                : conversion.equals("s") ? Values.text(value) : value,
                        spec));
                i = end;
            }
            budget.step();
        }
        budget.characters(out.length());
        return out.toString();
    }

    private static final Pattern STEP = Pattern.compile("\\.([^.\\[]+)|\\[([^\\]]+)\\]");

    private static Object value(
            String path,
            Callable.Arguments arguments,
            BiFunction<Object, Object, Object> attribute,
            BiFunction<Object, Object, Object> item) {
        int end = 0;
        while (end < path.length() && path.charAt(end) != '.' && path.charAt(end) != '[') {
            end++;
        }
        String name = path.substring(0, end);
        Object value;
        if (!name.isEmpty() && name.chars().allMatch(Character::isDigit)) {
            int index = number(name, 0);
            if (index >= arguments.positional().size()) {
                throw TemplateException.value("format: no value number %d", index);
            }
            value = arguments.positional().get(index);
        } else if (arguments.named().containsKey(name)) {
            value = arguments.named().get(name);
        } else {
            throw TemplateException.value("format: no value '%s'", name);
        }
        Matcher step = STEP.matcher(path).region(end, path.length());
        while (step.lookingAt()) {
            String key = step.group(1) != null ? step.group(1) : step.group(2);
            boolean index = step.group(2) != null && key.chars().allMatch(Character::isDigit);
            value = step.group(1) != null
                    ? attribute.apply(value, key)
                    : item.apply(value, index ? (Object) (long) number(key, 0) : key);
            if (value instanceof Undefined u) {
                throw u.refusal();
            }
            step.region(step.end(), path.length());
        }
        return value;
    }

    /** A value by a format specification such as {@code >8.2f}. */
    static String spec(Object value, String spec) {
        if (spec.isEmpty()) {
            return Values.text(value);
        }
        Matcher parts = SPEC.matcher(spec);
        boolean number =
                Arithmetic.isNumber(value) && !(value instanceof Boolean && !spec.matches(".*[dxXobeEfFgGn%]"));
        if (!parts.matches() || !number && !(value instanceof String)) {
            throw TemplateException.value("format: '%s' does not fit %s", spec, Values.type(value));
        }
        String type = parts.group("type");
        int precision = number(parts.group("precision"), -1);
        String text;
        if (number) {
            String sign = "-".equals(parts.group("sign")) || parts.group("sign") == null ? "" : parts.group("sign");
            text = number(value, type, precision);
            text = signed(grouped(text, parts.group("group")), sign);
        } else if (type == null || type.equals("s")) {
            text = cut(Values.text(value), precision);
        } else {
            throw TemplateException.value("format: '%s' does not fit a string", spec);
        }
        String fill = parts.group("fill");
        String align = parts.group("align");
        boolean zero = parts.group("zero") != null;
        char filling = fill != null ? fill.charAt(0) : zero ? '0' : ' ';
        char side = align != null ? align.charAt(0) : zero && number ? '=' : number ? '>' : '<';
        return pad(text, number(parts.group("width"), 0), filling, side);
    }

    private static String grouped(String number, String separator) {
        if (separator == null) {
            return number;
        }
        int from = number.startsWith("-") ? 1 : 0;
        int to = from;
        while (to < number.length() && Character.isDigit(number.charAt(to))) {
            to++;
        }
        StringBuilder out = new StringBuilder(number);
        for (int i = to - 3; i > from; i -= 3) {
            out.insert(i, separator);
        }
        return out.toString();
    }

    private static String number(Object value, String type, int precision) {
        if (type == null) {
            return precision < 0 || !(value instanceof Double)
                    ? Values.text(value instanceof Boolean ? Arithmetic.narrow(Arithmetic.whole(value)) : value)
                    : general(Arithmetic.real(value), Math.max(1, precision));
        }
        int digits = precision < 0 ? 6 : precision;
        double real = "eEfFgG%".contains(type) ? Arithmetic.real(value) : 0;
        if (Double.isNaN(real) || Double.isInfinite(real)) {
            return PythonText.real(real);
        }
        return switch (type) {
            case "d", "n" -> wholeOf(value, type).toString();
            case "x" -> wholeOf(value, type).toString(16);
            case "X" -> PythonText.upper(wholeOf(value, type).toString(16));
            case "o" -> wholeOf(value, type).toString(8);
            case "b" -> wholeOf(value, type).toString(2);
            case "f", "F" -> fixed(real, digits);
            case "%" -> fixed(real * 100, digits) + "%";
            case "e" -> exponent(real, digits);
            case "E" -> PythonText.upper(exponent(real, digits));
            case "g" -> general(real, Math.max(1, digits));
            case "G" -> PythonText.upper(general(real, Math.max(1, digits)));
            default -> throw TemplateException.value("format: unknown kind '%s'", type);
        };
    }

    private static BigInteger wholeOf(Object value, String type) {
        if (value instanceof Double) {
            throw TemplateException.value("format: '%s' needs a whole number", type);
        }
        return Arithmetic.whole(value);
    }

    static String fixed(double value, int digits) {
        String text =
                new BigDecimal(value).setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
        return (value < 0 || 1 / value < 0) && !text.startsWith("-") ? "-" + text : text;
    }

    private static String exponent(double value, int digits) {
        if (value == 0) {
            return fixed(value, digits) + "e+00";
        }
        BigDecimal rounded = new BigDecimal(value).round(new java.math.MathContext(digits + 1, RoundingMode.HALF_EVEN));
        int exponent = rounded.precision() - rounded.scale() - 1;
        return String.format(
                Locale.ROOT,
                "%se%s%02d",
                rounded.movePointLeft(exponent)
                        .setScale(digits, RoundingMode.HALF_EVEN)
                        .toPlainString(),
                exponent < 0 ? "-" : "+",
                Math.abs(exponent));
    }

    private static String general(double value, int digits) {
        if (value == 0) {
            return "0";
        }
        BigDecimal rounded = new BigDecimal(value).round(new java.math.MathContext(digits, RoundingMode.HALF_EVEN));
        int exponent = rounded.precision() - rounded.scale() - 1;
        if (exponent >= -4 && exponent < digits) {
            return rounded.stripTrailingZeros().toPlainString();
        }
        String mantissa = rounded.movePointLeft(exponent).stripTrailingZeros().toPlainString();
        return String.format(Locale.ROOT, "%se%s%02d", mantissa, exponent < 0 ? "-" : "+", Math.abs(exponent));
    }

    /** Filled up to a width; {@code =} puts the filling between sign and digits. */
    static String pad(String text, int width, char fill, char side) {
        int missing = width - text.codePointCount(0, text.length());
        if (missing <= 0) {
            return text;
        }
        String filling = String.valueOf(fill).repeat(missing);
        return switch (side) {
            case '<' -> text + filling;
            case '^' -> filling.substring(0, missing / 2) + text + filling.substring(missing / 2);
            case '=' -> {
                int sign = !text.isEmpty() && "+- ".indexOf(text.charAt(0)) >= 0 ? 1 : 0;
                yield text.substring(0, sign) + filling + text.substring(sign);
            }
            default -> filling + text;
        };
    }
}
