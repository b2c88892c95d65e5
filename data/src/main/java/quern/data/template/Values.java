package quern.data.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Python's values and what they are to each other. {@code null} is None; the others are {@link Boolean}, {@link Long}, {@link
 * BigInteger} where a Long is too small, {@link Double}, {@link String}, {@link List}, {@link Tuple}, {@link Map}, {@link
 * View}, {@link Lazy}, {@link Range}, {@link Namespace}, {@link Callable}, and {@link Undefined}.
 */
final class Values {
    private static final int DEEPEST = 200;
    private static final long MOST_COMPARED = 1_000_000;

    private Values() {}

    /** A list that is equal to tuples only. */
    record Tuple(List<Object> items) {}

    /** The keys, values or items of a mapping. */
    record View(String kind, List<Object> items) {}

    /** What filters such as {@code map} give: true, without a length, and empty once it has been read. */
    record Lazy(String kind, Iterator<Object> items) {}

    /** The numbers of {@code range}. */
    static final class Range extends AbstractList<Object> {
        private final long from;
        private final long to;
        private final long step;
        private final int size;

        Range(long from, long to, long step, int size) {
            this.from = from;
            this.to = to;
            this.step = step;
            this.size = size;
        }

        @Override
        public Object get(int index) {
            return from + index * step;
        }

        @Override
        public int size() {
            return size;
        }

        @Override
        public String toString() {
            return "range(" + from + ", " + to + (step == 1 ? "" : ", " + step) + ")";
        }
    }

    /** The only thing that a template can change. */
    record Namespace(Map<String, Object> fields) {
        /** Sets a field; those that begin with an underscore are refused. */
        void set(String name, Object value) {
            if (name.startsWith("_")) {
                throw TemplateException.value("a namespace can't hold '%s': names begin without an underscore", name);
            }
            fields.put(name, value);
        }
    }

    /** A value as JSON, YAML or Java code has it, in the types above. */
    static Object of(Object value) {
        return of(value, 0);
    }

    private static Object of(Object value, int depth) {
        if (depth > DEEPEST) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, 0, "a value is nested more than %d deep".formatted(DEEPEST));
        }
        return switch (value) {
            case null -> null;
            case Integer i -> i.longValue();
            case Short s -> s.longValue();
            case Float f -> f.doubleValue();
            case BigInteger big -> Arithmetic.narrow(big);
            case BigDecimal decimal -> decimal.doubleValue();
            case Map<?, ?> map -> {
                Map<Object, Object> copy = new LinkedHashMap<>();
                map.forEach((key, item) -> copy.put(of(key, depth + 1), of(item, depth + 1)));
                yield copy;
            }
            case Collection<?> items -> {
                List<Object> copy = new ArrayList<>(items.size());
                items.forEach(item -> copy.add(of(item, depth + 1)));
                yield copy;
            }
            case Boolean b -> b;
            case Long l -> l;
            case Double d -> d;
            case String s -> s;
            default -> throw new IllegalArgumentException("no value of a template: " + value.getClass());
        };
    }

    /** What the value's type is called in errors. */
    static String type(Object value) {
        return switch (value) {
            case null -> "None";
            case Boolean b -> "a boolean";
            case Long l -> "a whole number";
            case BigInteger b -> "a whole number";
            case Double d -> "a number";
            case String s -> "a string";
            case Range r -> "a range";
            case List<?> l -> "a list";
            case Tuple t -> "a tuple";
            case Map<?, ?> m -> "a mapping";
            case View v -> v.kind();
            case Lazy l -> "a " + l.kind();
            case Namespace n -> "a namespace";
            case Undefined u -> "something undefined";
            default -> "a function";
        };
    }

    static boolean truth(Object value) {
        return switch (value) {
            case null -> false;
            case Boolean b -> b;
            case Long l -> l != 0;
            case BigInteger b -> b.signum() != 0;
            case Double d -> d != 0;
            case String s -> !s.isEmpty();
            case List<?> l -> !l.isEmpty();
            case Tuple t -> !t.items().isEmpty();
            case Map<?, ?> m -> !m.isEmpty();
            case View v -> !v.items().isEmpty();
            case Undefined u -> {
                if (u.unsafe()) {
                    throw u.refusal();
                }
                yield false;
            }
            default -> true;
        };
    }

    /** The items of something that can be gone through. */
    static Iterator<Object> iterate(Object value) {
        return switch (value) {
            case String s -> PythonText.characters(s).iterator();
            case List<?> l -> objects(l).iterator();
            case Tuple t -> t.items().iterator();
            case Map<?, ?> m -> new ArrayList<Object>(m.keySet()).iterator();
            case View v -> v.items().iterator();
            case Lazy l -> l.items();
            case Undefined u -> {
                if (u.unsafe()) {
                    throw u.refusal();
                }
                yield List.<Object>of().iterator();
            }
            case null, default -> throw TemplateException.value("%s can't be iterated over", type(value));
        };
    }

    static boolean iterable(Object value) {
        return switch (value) {
            case String s -> true;
            case List<?> l -> true;
            case Tuple t -> true;
            case Map<?, ?> m -> true;
            case View v -> true;
            case Lazy l -> true;
            case Undefined u -> true;
            case null, default -> false;
        };
    }

    /** The items to go through once, not to be changed. */
    static List<Object> sequence(Object value) {
        return switch (value) {
            case List<?> l -> objects(l);
            case Tuple t -> t.items();
            case View v -> v.items();
            case null, default -> list(value);
        };
    }

    static List<Object> list(Object value) {
        List<Object> items = new ArrayList<>();
        iterate(value).forEachRemaining(items::add);
        return items;
    }

    @SuppressWarnings("unchecked")
    static List<Object> objects(List<?> list) {
        return (List<Object>) list;
    }

    static long length(Object value) {
        return switch (value) {
            case String s -> s.codePointCount(0, s.length());
            case List<?> l -> l.size();
            case Tuple t -> t.items().size();
            case Map<?, ?> m -> m.size();
            case View v -> v.items().size();
            case Undefined u -> {
                if (u.unsafe()) {
                    throw u.refusal();
                }
                yield 0;
            }
            case null, default -> throw TemplateException.value("%s has no length", type(value));
        };
    }

    /** Whether a mapping has a key; lists and the like are never keys. */
    static boolean has(Map<?, ?> map, Object key) {
        return (key == null || key instanceof String || Arithmetic.isNumber(key)) && map.containsKey(key);
    }

    static boolean equal(Object a, Object b) {
        return equal(a, b, new long[] {MOST_COMPARED});
    }

    private static boolean equal(Object a, Object b, long[] left) {
        if (left[0]-- == 0) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT,
                    0,
                    "values of more than %,d parts are compared".formatted(MOST_COMPARED));
        }
        if (a == b && !(a instanceof Double)) {
            return true;
        }
        if (Arithmetic.isNumber(a) && Arithmetic.isNumber(b)) {
            return Arithmetic.compare(a, b) == 0;
        }
        return switch (a) {
            case null -> b == null;
            case Tuple t -> b instanceof Tuple other && equalItems(t.items(), other.items(), left);
            case List<?> l -> b instanceof List<?> other && equalItems(objects(l), objects(other), left);
            case Map<?, ?> m -> b instanceof Map<?, ?> other && equalMaps(m, other, left);
            case Undefined u -> b instanceof Undefined;
            case String s -> s.equals(b);
            default -> a == b;
        };
    }

    private static boolean equalItems(List<Object> a, List<Object> b, long[] left) {
        if (a.size() != b.size()) {
            return false;
        }
        for (int i = 0; i < a.size(); i++) {
            if (!equal(a.get(i), b.get(i), left)) {
                return false;
            }
        }
        return true;
    }

    private static boolean equalMaps(Map<?, ?> a, Map<?, ?> b, long[] left) {
        return a.size() == b.size()
                && a.entrySet().stream()
                        .allMatch(e -> b.containsKey(e.getKey()) && equal(e.getValue(), b.get(e.getKey()), left));
    }

    /** The order of two values, by {@code <} where Python has one. */
    static int compare(Object a, Object b, String operator) {
        if (Arithmetic.isNumber(a) && Arithmetic.isNumber(b)) {
            return Arithmetic.compare(a, b);
        }
        if (a instanceof String s && b instanceof String t) {
            return PythonText.compare(s, t);
        }
        List<Object> left = ordered(a);
        List<Object> right = ordered(b);
        if (left == null || right == null || a instanceof Tuple != b instanceof Tuple) {
            throw refusedOperands(operator, a, b);
        }
        for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
            if (!equal(left.get(i), right.get(i))) {
                return compare(left.get(i), right.get(i), operator);
            }
        }
        return Integer.compare(left.size(), right.size());
    }

    private static List<Object> ordered(Object value) {
        return switch (value) {
            case Range r -> null;
            case List<?> l -> objects(l);
            case Tuple t -> t.items();
            case null, default -> null;
        };
    }

    static TemplateException refusedOperands(String operator, Object a, Object b) {
        for (Object operand : new Object[] {a, b}) {
            if (operand instanceof Undefined u) {
                return u.refusal();
            }
        }
        return TemplateException.value("'%s' does not work between %s and %s", operator, type(a), type(b));
    }

    static boolean contains(Object container, Object item) {
        return switch (container) {
            case String s -> {
                if (!(item instanceof String part)) {
                    throw TemplateException.value("only a string can be in a string, found %s", type(item));
                }
                yield s.contains(part);
            }
            case Map<?, ?> m -> has(m, item);
            case null, default -> {
                Iterator<Object> items = iterate(container);
                while (items.hasNext()) {
                    if (equal(items.next(), item)) {
                        yield true;
                    }
                }
                yield false;
            }
        };
    }

    /** The value as {@code str} prints it. */
    static String text(Object value) {
        if (value instanceof String s) {
            return s;
        }
        if (value instanceof Undefined u) {
            if (u.unsafe()) {
                throw u.refusal();
            }
            return "";
        }
        StringBuilder out = new StringBuilder();
        PythonText.represent(value, out, 0);
        return out.toString();
    }
}
