package quern.data.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Attributes, items and slices of values. */
final class Access {
    private final Methods methods;

    Access(Budget budget) {
        this.methods = new Methods(budget, this);
    }

    /** {@code value.name}: a method or field, else the item of this key. */
    Object attribute(Object value, String name) {
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        Object found = field(value, name);
        if (found != null) {
            return found instanceof Present(Object held) ? held : found;
        }
        if (value instanceof Map<?, ?> map && map.containsKey(name)) {
            return map.get(name);
        }
        return missing(value, name);
    }

    /** {@code value[key]}: the item of this key, else a method or field. */
    Object item(Object value, Object key) {
        if (value instanceof Undefined u) {
            throw u.refusal();
        }
        if (value instanceof Map<?, ?> map) {
            if (Values.has(map, key)) {
                return map.get(key);
            }
        } else if (Arithmetic.isWhole(key)) {
            Object found = at(value, Arithmetic.index(key));
            if (found != null) {
                return ((Present) found).value();
            }
        }
        if (key instanceof String name) {
            Object found = field(value, name);
            if (found != null) {
                return found instanceof Present(Object held) ? held : found;
            }
        }
        return missing(value, key);
    }

    /** A value that may be None. */
    record Present(Object value) {}

    private Object field(Object value, String name) {
        return switch (value) {
            case Values.Namespace n ->
                n.fields().containsKey(name) ? new Present(n.fields().get(name)) : null;
            case Loop loop -> loop.field(name);
            case Fields fields -> fields.field(name);
            case null, default -> methods.find(value, name);
        };
    }

    /** A built-in value with fields of its own. */
    interface Fields {
        /** The field; null where there is none. */
        Object field(String name);
    }

    private static Object missing(Object value, Object key) {
        String shown = key instanceof String s ? "'" + s + "'" : Values.text(key);
        String what = value instanceof Map<?, ?> ? "the mapping" : Values.type(value);
        return new Undefined("%s has no %s".formatted(what, shown));
    }

    private static Present at(Object value, int index) {
        if (value instanceof String s) {
            int length = (int) Values.length(s);
            int place = index < 0 ? index + length : index;
            if (place < 0 || place >= length) {
                return null;
            }
            return new Present(Character.toString(s.codePointAt(s.offsetByCodePoints(0, place))));
        }
        List<Object> items = switch (value) {
            case List<?> l -> Values.objects(l);
            case Values.Tuple t -> t.items();
            case null, default -> null;
        };
        if (items == null) {
            return null;
        }
        int place = index < 0 ? index + items.size() : index;
        return place < 0 || place >= items.size() ? null : new Present(items.get(place));
    }

    /** {@code value[from:to:step]}; a part that was left out is null. */
    static Object slice(Object value, Object from, Object to, Object step) {
        return switch (value) {
            case String s -> {
                int[] points = s.codePoints().toArray();
                StringBuilder out = new StringBuilder();
                indices(points.length, from, to, step).forEach(i -> out.appendCodePoint(points[i]));
                yield out.toString();
            }
            case List<?> l -> chosen(Values.objects(l), from, to, step);
            case Values.Tuple t -> new Values.Tuple(chosen(t.items(), from, to, step));
            case Undefined u -> throw u.refusal();
            case null, default -> new Undefined("%s can't be cut into slices".formatted(Values.type(value)));
        };
    }

    private static List<Object> chosen(List<Object> items, Object from, Object to, Object step) {
        List<Object> out = new ArrayList<>();
        indices(items.size(), from, to, step).forEach(i -> out.add(items.get(i)));
        return out;
    }

    private static List<Integer> indices(int length, Object from, Object to, Object step) {
        int by = step == null ? 1 : Arithmetic.index(step);
        if (by == 0) {
            throw TemplateException.value("the step of a slice is 0");
        }
        int low = by > 0 ? 0 : -1;
        int high = by > 0 ? length : length - 1;
        int start = bound(from, by > 0 ? low : high, length, low, high);
        int end = bound(to, by > 0 ? high : low, length, low, high);
        List<Integer> all = new ArrayList<>();
        for (long i = start; by > 0 ? i < end : i > end; i += by) {
            all.add((int) i);
        }
        return all;
    }

    private static int bound(Object given, int otherwise, int length, int low, int high) {
        if (given == null) {
            return otherwise;
        }
        long index = Arithmetic.index(given);
        return Math.clamp(index < 0 ? index + length : index, low, high);
    }
}
