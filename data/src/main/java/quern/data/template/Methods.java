package quern.data.template;

import static quern.data.template.Callable.Arguments.ABSENT;
import static quern.data.template.Callable.Arguments.or;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntPredicate;

/** The methods of Python's strings, lists and mappings that change nothing. */
final class Methods {
    private static final Set<String> CHANGE_LISTS =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
    private static final Set<String> CHANGE_MAPPINGS = Set.of("clear", "pop", "popitem", "setdefault", "update");
    private static final int WIDEST = 1 << 20;

    private final Budget budget;
    private final Access access;

    Methods(Budget budget, Access access) {
        this.budget = budget;
        this.access = access;
    }

    /** A method of the value; null where it has none of this name. */
    Object find(Object value, String name) {
        return switch (value) {
            case String s -> ofString(s, name);
            case Values.Range r -> ofItems(Values.objects(r), name);
            case List<?> l ->
                CHANGE_LISTS.contains(name)
                        ? forbidden("list", name)
                        : name.equals("copy")
                                ? method(name, a -> {
                                    a.none();
                                    return new ArrayList<>(l);
                                })
                                : ofItems(Values.objects(l), name);
            case Values.Tuple t -> ofItems(t.items(), name);
            case Map<?, ?> m -> CHANGE_MAPPINGS.contains(name) ? forbidden("mapping", name) : ofMapping(m, name);
            case null, default -> null;
        };
    }

    private static Undefined forbidden(String type, String name) {
        return new Undefined("'%s' would change a %s, which a template may not do".formatted(name, type), true);
    }

    private static Object method(String name, Callable body) {
        return (Callable)
                arguments -> body.call(new Callable.Arguments(name, arguments.positional(), arguments.named()));
    }

    private static Object ofItems(List<Object> items, String name) {
        return switch (name) {
            case "index" ->
                method(name, a -> {
                    Object wanted = a.require(1, "value")[0];
                    for (int i = 0; i < items.size(); i++) {
                        if (Values.equal(items.get(i), wanted)) {
                            return (long) i;
                        }
                    }
                    throw TemplateException.value("index: the value is not in the list");
                });
            case "count" ->
                method(name, a -> {
                    Object wanted = a.require(1, "value")[0];
                    return items.stream()
                            .filter(item -> Values.equal(item, wanted))
                            .count();
                });
            default -> null;
        };
    }

    private static Object ofMapping(Map<?, ?> map, String name) {
        return switch (name) {
            case "get" ->
                method(name, a -> {
                    Object[] v = a.require(1, "key", "default");
                    return Values.has(map, v[0]) ? map.get(v[0]) : or(v[1], null);
                });
            case "items" ->
                method(name, a -> {
                    a.none();
                    List<Object> pairs = new ArrayList<>(map.size());
                    map.forEach((key, value) -> pairs.add(pair(key, value)));
                    return new Values.View("dict_items", pairs);
                });
            case "keys" ->
                method(name, a -> {
                    a.none();
                    return new Values.View("dict_keys", new ArrayList<>(map.keySet()));
                });
            case "values" ->
                method(name, a -> {
                    a.none();
                    return new Values.View("dict_values", new ArrayList<>(map.values()));
                });
            case "copy" ->
                method(name, a -> {
                    a.none();
                    return new LinkedHashMap<Object, Object>(map);
                });
            default -> null;
        };
    }

    static Values.Tuple pair(Object a, Object b) {
        List<Object> both = new ArrayList<>(2);
        both.add(a);
        both.add(b);
        return new Values.Tuple(both);
    }

    private interface OnText {
        Object of(Callable.Arguments arguments);
    }

    /** Replaced parts of a text, which is made only where it may be that long. */
    static String replaced(String text, String old, String with, int most, Budget budget) {
        long found = 0;
        for (int at = text.indexOf(old); !old.isEmpty() && at >= 0; at = text.indexOf(old, at + old.length())) {
            found++;
        }
        long times = old.isEmpty() ? text.length() + 1L : found;
        budget.characters(text.length() + (most < 0 ? times : Math.min(times, most)) * with.length());
        return PythonText.replace(text, old, with, most);
    }

    private Object ofString(String s, String name) {
        budget.read(s.length());
        OnText body = switch (name) {
            case "strip" -> a -> PythonText.strip(s, characters(a), true, true);
            case "lstrip" -> a -> PythonText.strip(s, characters(a), true, false);
            case "rstrip" -> a -> PythonText.strip(s, characters(a), false, true);
            case "upper" -> a -> plain(a, PythonText.upper(s));
            case "lower", "casefold" -> a -> plain(a, PythonText.lower(s));
            case "title" -> a -> plain(a, PythonText.titles(s));
            case "capitalize" -> a -> plain(a, PythonText.capitalized(s));
            case "swapcase" -> a -> plain(a, swapped(s));
            case "split" -> a -> split(s, a, false);
            case "rsplit" -> a -> split(s, a, true);
            case "splitlines" -> a -> PythonText.lines(s, Values.truth(or(a.bind("keepends")[0], false)));
            case "startswith" -> a -> affix(s, a, true);
            case "endswith" -> a -> affix(s, a, false);
            case "removeprefix" ->
                a -> {
                    String prefix = text(a.require(1, "prefix")[0], name);
                    return s.startsWith(prefix) ? s.substring(prefix.length()) : s;
                };
            case "removesuffix" ->
                a -> {
                    String suffix = text(a.require(1, "suffix")[0], name);
                    return s.endsWith(suffix) ? s.substring(0, s.length() - suffix.length()) : s;
                };
            case "replace" ->
                a -> {
                    Object[] v = a.require(2, "old", "new", "count");
                    return replaced(s, text(v[0], name), text(v[1], name), Arithmetic.index(or(v[2], -1L)), budget);
                };
            case "join" -> a -> join(s, a.require(1, "items")[0]);
            case "format" ->
                a -> PythonFormat.format(s, a, (o, key) -> access.attribute(o, (String) key), access::item, budget);
            case "find", "index", "rfind", "rindex" -> a -> position(s, a, name);
            case "count" ->
                a -> {
                    String part = text(a.require(1, "sub")[0], name);
                    return part.isEmpty()
                            ? Values.length(s) + 1
                            : (long) PythonText.split(s, part, -1).size() - 1;
                };
            case "partition", "rpartition" -> a -> partition(s, text(a.require(1, "sep")[0], name), name);
            case "zfill" -> a -> PythonFormat.pad(s, width(a.require(1, "width")[0]), '0', '=');
            case "ljust" -> a -> padded(s, a, '<');
            case "rjust" -> a -> padded(s, a, '>');
            case "center" -> a -> centred(s, a);
            default -> predicate(s, name);
        };
        return body == null ? null : method(name, body::of);
    }

    private static OnText predicate(String s, String name) {
        IntPredicate each = switch (name) {
            case "isdigit", "isdecimal", "isnumeric" -> Character::isDigit;
            case "isalpha" -> Character::isLetter;
            case "isalnum" -> Character::isLetterOrDigit;
            case "isspace" -> PythonText::isSpace;
            case "isascii" -> c -> c < 128;
            default -> null;
        };
        if (each != null) {
            boolean empty = name.equals("isascii");
            return a -> plain(a, s.isEmpty() ? empty : s.codePoints().allMatch(each));
        }
        return switch (name) {
            case "isupper" -> a -> plain(a, Tests.isUpper(s));
            case "islower" -> a -> plain(a, Tests.isLower(s));
            default -> null;
        };
    }

    private static Object plain(Callable.Arguments arguments, Object value) {
        arguments.none();
        return value;
    }

    private static String characters(Callable.Arguments a) {
        Object given = or(a.bind("chars")[0], null);
        return given == null ? null : text(given, a.function());
    }

    private static String text(Object value, String method) {
        if (value instanceof String s) {
            return s;
        }
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        throw TemplateException.value("%s needs a string, found %s", method, Values.type(value));
    }

    private static String swapped(String s) {
        StringBuilder out = new StringBuilder();
        s.codePoints()
                .mapToObj(Character::toString)
                .forEach(c -> out.append(
                        Character.isUpperCase(c.codePointAt(0)) ? PythonText.lower(c) : PythonText.upper(c)));
        return out.toString();
    }

    private Object split(String s, Callable.Arguments a, boolean fromRight) {
        Object[] v = a.bind("sep", "maxsplit");
        Object separator = or(v[0], null);
        int most = Arithmetic.index(or(v[1], -1L));
        budget.characters(s.length());
        if (separator == null) {
            return fromRight ? PythonText.wordsFromRight(s, most) : PythonText.words(s, most);
        }
        String at = text(separator, a.function());
        if (at.isEmpty()) {
            throw TemplateException.value("%s: the separator is empty", a.function());
        }
        return fromRight ? PythonText.splitFromRight(s, at, most) : PythonText.split(s, at, most);
    }

    private static Object affix(String s, Callable.Arguments a, boolean start) {
        Object[] v = a.require(1, "affix", "start", "end");
        String within =
                v[1] == ABSENT && v[2] == ABSENT ? s : (String) Access.slice(s, or(v[1], null), or(v[2], null), null);
        List<Object> all = v[0] instanceof Values.Tuple t ? t.items() : List.of(text(v[0], a.function()));
        return all.stream()
                .map(each -> text(each, a.function()))
                .anyMatch(each -> start ? within.startsWith(each) : within.endsWith(each));
    }

    private Object join(String separator, Object items) {
        StringBuilder out = new StringBuilder();
        boolean first = true;
        for (Object item : Values.list(items)) {
            String part = text(item, "join");
            budget.characters(part.length() + (long) separator.length());
            out.append(first ? "" : separator).append(part);
            first = false;
        }
        return out.toString();
    }

    private static Object position(String s, Callable.Arguments a, String name) {
        Object[] v = a.require(1, "sub", "start", "end");
        String part = text(v[0], name);
        int length = (int) Values.length(s);
        int from = clamp(or(v[1], null), 0, length);
        int to = clamp(or(v[2], null), length, length);
        int found = -1;
        if (from <= to) {
            String within = s.substring(s.offsetByCodePoints(0, from), s.offsetByCodePoints(0, to));
            int at = name.startsWith("r") ? within.lastIndexOf(part) : within.indexOf(part);
            found = at < 0 ? -1 : from + within.codePointCount(0, at);
        }
        if (found < 0 && name.endsWith("index")) {
            throw TemplateException.value("%s: the text has no such part", name);
        }
        return (long) found;
    }

    private static int clamp(Object index, int otherwise, int length) {
        if (index == null) {
            return otherwise;
        }
        int given = Arithmetic.index(index);
        return Math.clamp(given < 0 ? (long) given + length : given, 0, length);
    }

    private static Object partition(String s, String separator, String name) {
        if (separator.isEmpty()) {
            throw TemplateException.value("%s: the separator is empty", name);
        }
        boolean right = name.equals("rpartition");
        int at = right ? s.lastIndexOf(separator) : s.indexOf(separator);
        if (at < 0) {
            return new Values.Tuple(right ? List.of("", "", s) : List.of(s, "", ""));
        }
        return new Values.Tuple(List.of(s.substring(0, at), separator, s.substring(at + separator.length())));
    }

    static int width(Object value) {
        int width = Arithmetic.index(value);
        if (width > WIDEST) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, 0, "a width of more than %,d characters".formatted(WIDEST));
        }
        return width;
    }

    private static char fill(Object value) {
        if (value instanceof String s && s.length() == 1) {
            return s.charAt(0);
        }
        throw TemplateException.value("what fills up must be one character");
    }

    private Object padded(String s, Callable.Arguments a, char side) {
        Object[] v = a.require(1, "width", "fillchar");
        int width = width(v[0]);
        budget.characters(width);
        return PythonFormat.pad(s, width, fill(or(v[1], " ")), side);
    }

    private Object centred(String s, Callable.Arguments a) {
        Object[] v = a.require(1, "width", "fillchar");
        return centre(s, width(v[0]), fill(or(v[1], " ")));
    }

    /** In the middle; of an odd filling the larger half goes left where the width is odd. */
    static String centre(String s, int width, char fill) {
        int missing = width - (int) Values.length(s);
        if (missing <= 0) {
            return s;
        }
        int left = missing / 2 + (missing & width & 1);
        return String.valueOf(fill).repeat(left) + s + String.valueOf(fill).repeat(missing - left);
    }
}
