package quern.data.template;

import static quern.data.template.Callable.Arguments.ABSENT;
import static quern.data.template.Callable.Arguments.or;

import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/** The functions that every template may call. */
final class Globals {
    private static final long LONGEST_RANGE = 100_000;

    private Globals() {}

    static void into(Scope scope, Supplier<LocalDateTime> clock) {
        define(scope, "range", Globals::range);
        define(scope, "dict", a -> fields(a));
        define(scope, "namespace", a -> {
            Values.Namespace made = new Values.Namespace(new LinkedHashMap<>());
            fields(a).forEach((key, value) -> made.set(Values.text(key), value));
            return made;
        });
        define(scope, "raise_exception", a -> {
            String message = Values.text(a.require(1, "message")[0]);
            throw new TemplateException(TemplateException.Kind.RAISED, 0, message);
        });
        define(scope, "strftime_now", a -> time(Values.text(a.require(1, "format")[0]), clock.get()));
        define(scope, "cycler", Globals::cycler);
        define(scope, "joiner", a -> {
            Object separator = or(a.bind("sep")[0], ", ");
            boolean[] used = {false};
            return (Callable) none -> {
                Object now = used[0] ? separator : "";
                used[0] = true;
                return now;
            };
        });
    }

    private static void define(Scope scope, String name, Callable body) {
        scope.set(name, (Callable) a -> body.call(new Callable.Arguments(name, a.positional(), a.named())));
    }

    private static Map<Object, Object> fields(Callable.Arguments a) {
        Map<Object, Object> fields = new LinkedHashMap<>();
        if (a.positional().size() > 1) {
            throw TemplateException.value(
                    "%s takes at most 1 argument by place, found %d",
                    a.function(), a.positional().size());
        }
        if (a.positional().size() == 1) {
            if (a.positional().getFirst() instanceof Map<?, ?> map) {
                fields.putAll(map);
            } else {
                for (Object pair : Values.list(a.positional().getFirst())) {
                    List<Object> both = Values.list(pair);
                    if (both.size() != 2) {
                        throw TemplateException.value("%s needs pairs, found %d values", a.function(), both.size());
                    }
                    fields.put(both.get(0), both.get(1));
                }
            }
        }
        fields.putAll(a.named());
        return fields;
    }

    private static Object range(Callable.Arguments a) {
        Object[] v = a.require(1, "start", "stop", "step");
        long from = v[1] == ABSENT ? 0 : Arithmetic.index(v[0]);
        long to = Arithmetic.index(v[1] == ABSENT ? v[0] : v[1]);
        long step = Arithmetic.index(or(v[2], 1L));
        if (step == 0) {
            throw TemplateException.value("range: the step is 0");
        }
        long size = Math.max(0, step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step);
        if (size > LONGEST_RANGE) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT,
                    0,
                    "range: %,d numbers, more than %,d".formatted(size, LONGEST_RANGE));
        }
        return new Values.Range(from, to, step, (int) size);
    }

    private static Object cycler(Callable.Arguments a) {
        List<Object> items = a.positional();
        if (items.isEmpty()) {
            throw TemplateException.value("cycler needs something to go through");
        }
        int[] at = {0};
        return (Access.Fields) name -> switch (name) {
            case "current" -> new Access.Present(items.get(at[0]));
            case "next" ->
                (Callable) none -> {
                    Object now = items.get(at[0]);
                    at[0] = (at[0] + 1) % items.size();
                    return now;
                };
            case "reset" ->
                (Callable) none -> {
                    at[0] = 0;
                    return null;
                };
            default -> null;
        };
    }

    /** A time in C's format, in English. */
    static String time(String format, LocalDateTime now) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                out.append(c);
                continue;
            }
            char code = format.charAt(++i);
            boolean bare = code == '-' && i + 1 < format.length();
            if (bare) {
                code = format.charAt(++i);
            }
            String part = part(code, now);
            out.append(part == null ? "%" + (bare ? "-" : "") + code : bare ? withoutZeros(part) : part);
        }
        return out.toString();
    }

    private static String withoutZeros(String number) {
        int from = 0;
        while (from < number.length() - 1 && (number.charAt(from) == '0' || number.charAt(from) == ' ')) {
            from++;
        }
        return number.substring(from);
    }

    private static String part(char code, LocalDateTime now) {
        return switch (code) {
            case 'Y' -> String.format(Locale.ROOT, "%d", now.getYear());
            case 'y' -> String.format(Locale.ROOT, "%02d", now.getYear() % 100);
            case 'm' -> String.format(Locale.ROOT, "%02d", now.getMonthValue());
            case 'd' -> String.format(Locale.ROOT, "%02d", now.getDayOfMonth());
            case 'e' -> String.format(Locale.ROOT, "%2d", now.getDayOfMonth());
            case 'H' -> String.format(Locale.ROOT, "%02d", now.getHour());
            case 'I' -> String.format(Locale.ROOT, "%02d", now.get(ChronoField.CLOCK_HOUR_OF_AMPM));
            case 'M' -> String.format(Locale.ROOT, "%02d", now.getMinute());
            case 'S' -> String.format(Locale.ROOT, "%02d", now.getSecond());
            case 'f' -> String.format(Locale.ROOT, "%06d", now.getNano() / 1000);
            case 'p' -> now.getHour() < 12 ? "AM" : "PM";
            case 'B' -> now.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'b', 'h' ->
                now.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH).substring(0, 3);
            case 'A' -> now.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'a' ->
                now.getDayOfWeek()
                        .getDisplayName(TextStyle.FULL, Locale.ENGLISH)
                        .substring(0, 3);
            case 'j' -> String.format(Locale.ROOT, "%03d", now.getDayOfYear());
            case 'w' -> String.format(Locale.ROOT, "%d", now.getDayOfWeek().getValue() % 7);
            case 'u' -> String.format(Locale.ROOT, "%d", now.getDayOfWeek().getValue());
            case 'F' -> time("%Y-%m-%d", now);
            case 'T', 'X' -> time("%H:%M:%S", now);
            case 'R' -> time("%H:%M", now);
            case 'D', 'x' -> time("%m/%d/%y", now);
            case 'c' -> time("%a %b %e %H:%M:%S %Y", now);
            case 'n' -> "\n";
            case 't' -> "\t";
            case 'Z', 'z' -> "";
            case '%' -> "%";
            default -> null;
        };
    }
}
