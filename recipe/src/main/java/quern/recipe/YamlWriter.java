package quern.recipe;

import java.util.Map;
import java.util.regex.Pattern;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.resolver.CoreScalarResolver;

/**
 * Writes blocks as YAML that {@link YamlReader} reads back equal: one key a line, lists of scalars on one line, text
 * plain where it can't be taken for anything else and in double quotes otherwise.
 */
final class YamlWriter {
    /** Text that means the same in every place of a document. */
    private static final Pattern PLAIN =
            Pattern.compile("(\\.{0,2}/)?[\\p{L}\\p{N}_][\\p{L}\\p{N}_./+=@%$*()-]*([ :][\\p{L}\\p{N}_./+=@%$*()-]+)*");

    /** YAML ends a key without '?' at 1,024 characters, escapes counted. */
    private static final int LONGEST_PLAIN_KEY = 1000;

    private static final CoreScalarResolver RESOLVER = new CoreScalarResolver(false);

    private final StringBuilder out = new StringBuilder();

    private YamlWriter() {}

    /** The whole document. */
    static String write(Block block) {
        if (block.keys().isEmpty()) {
            return "{}\n";
        }
        YamlWriter writer = new YamlWriter();
        writer.entries(block, 0, false);
        return writer.out.toString();
    }

    /**
     * A block's keys, one a line.
     *
     * @param started whether the first line is already indented, after {@code - }
     */
    private void entries(Block block, int indent, boolean started) {
        boolean inLine = started;
        for (Map.Entry<String, Block.Entry> entry : block.entries().entrySet()) {
            if (!inLine) {
                out.repeat(' ', indent);
            }
            inLine = false;
            String key = text(entry.getKey());
            if (key.length() > LONGEST_PLAIN_KEY) {
                out.append("? ").append(key).append('\n').repeat(' ', indent);
                key = "";
            }
            out.append(key).append(':');
            value(entry.getValue().value(), indent);
        }
    }

    private void value(Node node, int indent) {
        if (inline(node)) {
            out.append(' ');
            flow(node);
            out.append('\n');
            return;
        }
        out.append('\n');
        if (node instanceof Block block) {
            entries(block, indent + 2, false);
        } else {
            items((Node.Sequence) node, indent + 2, false);
        }
    }

    private void items(Node.Sequence list, int indent, boolean started) {
        boolean inLine = started;
        for (Node item : list.items()) {
            if (!inLine) {
                out.repeat(' ', indent);
            }
            inLine = false;
            out.append("- ");
            if (inline(item)) {
                flow(item);
                out.append('\n');
            } else if (item instanceof Block block) {
                entries(block, indent + 2, true);
            } else {
                items((Node.Sequence) item, indent + 2, true);
            }
        }
    }

    /** Whether a value goes on its key's line. */
    private static boolean inline(Node node) {
        return switch (node) {
            case Node.Scalar ignored -> true;
            case Block block -> block.keys().isEmpty();
            case Node.Sequence list -> list.items().stream().allMatch(Node.Scalar.class::isInstance);
        };
    }

    private void flow(Node node) {
        switch (node) {
            case Node.Scalar scalar -> out.append(scalar(scalar.value()));
            case Block ignored -> out.append("{}");
            case Node.Sequence list -> {
                String separator = "[";
                for (Node item : list.items()) {
                    out.append(separator);
                    flow(item);
                    separator = ", ";
                }
                out.append(list.items().isEmpty() ? "[]" : "]");
            }
        }
    }

    private static String scalar(Object value) {
        return switch (value) {
            case null -> "null";
            case String text -> text(text);
            case Double number when number.isNaN() -> ".nan";
            case Double number when number.isInfinite() -> number > 0 ? ".inf" : "-.inf";
            default -> value.toString();
        };
    }

    private static String text(String text) {
        boolean plain =
                PLAIN.matcher(text).matches() && RESOLVER.resolve(text, true).equals(Tag.STR);
        return plain ? text : quoted(text);
    }

    private static String quoted(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        text.codePoints().forEach(point -> {
            switch (point) {
                case '"' -> quoted.append("\\\"");
                case '\\' -> quoted.append("\\\\");
                case '\n' -> quoted.append("\\n");
                case '\r' -> quoted.append("\\r");
                case '\t' -> quoted.append("\\t");
                default -> {
                    if (Quoted.shown(point)) {
                        quoted.appendCodePoint(point);
                    } else {
                        quoted.append((point > 0xffff ? "\\U%08x" : "\\u%04x").formatted(point));
                    }
                }
            }
        });
        return quoted.append('"').toString();
    }
}
