package quern.data.template;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * JSON as Python's {@code json.dumps} writes it.
 *
 * @param ascii whether characters beyond ASCII are escaped
 * @param indent what a level is indented by; null for one line
 * @param between what stands between items
 * @param afterKey what stands between a key and its value
 * @param sorted whether keys are sorted
 */
record PythonJson(boolean ascii, String indent, String between, String afterKey, boolean sorted) {
    private static final int DEEPEST = 200;

    String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, 0);
        return out.toString();
    }

    private void write(Object value, StringBuilder out, int depth) {
        if (depth > DEEPEST) {
            throw new TemplateException(
                    TemplateException.Kind.LIMIT, 0, "a value is nested more than %d deep".formatted(DEEPEST));
        }
        Budget.check(out);
        switch (value) {
            case null -> out.append("null");
            case Boolean b -> out.append(b);
            case Double d -> out.append(real(d));
            case String s -> quote(s, out);
            case Values.Range r -> throw refused(r);
            case List<?> l -> items(Values.objects(l), out, depth);
            case Values.Tuple t -> items(t.items(), out, depth);
            case Map<?, ?> m -> mapping(m, out, depth);
            default -> {
                if (!Arithmetic.isWhole(value)) {
                    throw refused(value);
                }
                out.append(value);
            }
        }
    }

    private static TemplateException refused(Object value) {
        return TemplateException.value("%s can't be written as JSON", Values.type(value));
    }

    private static String real(double value) {
        return Double.isNaN(value)
                ? "NaN"
                : Double.isInfinite(value) ? (value > 0 ? "Infinity" : "-Infinity") : PythonText.real(value);
    }

    private void items(List<Object> items, StringBuilder out, int depth) {
        out.append('[');
        for (int i = 0; i < items.size(); i++) {
            out.append(i == 0 ? "" : between);
            newLine(out, depth + 1);
            write(items.get(i), out, depth + 1);
        }
        if (!items.isEmpty()) {
            newLine(out, depth);
        }
        out.append(']');
    }

    private void newLine(StringBuilder out, int depth) {
        if (indent != null) {
            out.append('\n');
            for (int i = 0; i < depth; i++) {
                out.append(indent);
                Budget.check(out);
            }
        }
    }

    private void mapping(Map<?, ?> map, StringBuilder out, int depth) {
        out.append('{');
        List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
        if (sorted) {
            entries.sort(Comparator.comparing(Map.Entry::getKey, (a, b) -> Values.compare(a, b, "<")));
        }
        boolean first = true;
        for (Map.Entry<?, ?> entry : entries) {
            out.append(first ? "" : between);
            first = false;
            newLine(out, depth + 1);
            quote(key(entry.getKey()), out);
            out.append(afterKey);
            write(entry.getValue(), out, depth + 1);
        }
        if (!entries.isEmpty()) {
            newLine(out, depth);
        }
        out.append('}');
    }

    private static String key(Object key) {
        return switch (key) {
            case null -> "null";
            case String s -> s;
            case Boolean b -> b.toString();
            case Double d -> real(d);
            default -> {
                if (!Arithmetic.isWhole(key)) {
                    throw TemplateException.value("%s can't be a key of JSON", Values.type(key));
                }
                yield key.toString();
            }
        };
    }

    private void quote(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int simple = "\"\\\n\r\t\b\f".indexOf(c);
            if (simple >= 0) {
                out.append('\\').append("\"\\nrtbf".charAt(simple));
            } else if (c < ' ' || ascii && c > '~') {
                out.append("\\u%04x".formatted((int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
