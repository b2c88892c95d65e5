package quern.data.template;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** The tests behind {@code is}. */
final class Tests {
    private static final Set<String> COMPARING = Set.of(
            "==",
            "eq",
            "equalto",
            "!=",
            "ne",
            "<",
            "lt",
            "lessthan",
            "<=",
            "le",
            ">",
            "gt",
            "greaterthan",
            ">=",
            "ge",
            "in",
            "sameas",
            "divisibleby");

    private Tests() {}

    /** Whether the value passes the test. */
    static boolean passes(String name, Object value, Callable.Arguments arguments) {
        if (COMPARING.contains(name)) {
            Object other = arguments.require(1, "other")[0];
            return comparing(name, value, other);
        }
        arguments.none();
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == null;
            case "boolean" -> value instanceof Boolean;
            case "true" -> Boolean.TRUE.equals(value);
            case "false" -> Boolean.FALSE.equals(value);
            case "integer" -> Arithmetic.isWhole(value) && !(value instanceof Boolean);
            case "float" -> value instanceof Double;
            case "number" -> Arithmetic.isNumber(value);
            case "string" -> value instanceof String;
            case "mapping" -> value instanceof Map;
            case "sequence" ->
                value instanceof String
                        || value instanceof List
                        || value instanceof Values.Tuple
                        || value instanceof Map
                        || value instanceof Undefined;
            case "iterable" -> Values.iterable(value);
            case "callable" -> value instanceof Callable;
            case "lower" -> isLower(Values.text(value));
            case "upper" -> isUpper(Values.text(value));
            case "odd" -> parity(value, true);
            case "even" -> parity(value, false);
            case "escaped" -> false;
            case "filter" -> Filters.NAMES.contains(Values.text(value));
            case "test" -> NAMES.contains(Values.text(value));
            default -> throw TemplateException.value("unknown test '%s'; there are %s", name, String.join(", ", NAMES));
        };
    }

    /** The tests that there are. */
    static final List<String> NAMES = List.of(
            "boolean",
            "callable",
            "defined",
            "divisibleby",
            "eq",
            "equalto",
            "escaped",
            "even",
            "false",
            "filter",
            "float",
            "ge",
            "greaterthan",
            "gt",
            "in",
            "integer",
            "iterable",
            "le",
            "lessthan",
            "lower",
            "lt",
            "mapping",
            "ne",
            "none",
            "number",
            "odd",
            "sameas",
            "sequence",
            "string",
            "test",
            "true",
            "undefined",
            "upper",
            "==",
            "!=",
            "<",
            "<=",
            ">",
            ">=");

    private static boolean comparing(String name, Object value, Object other) {
        return switch (name) {
            case "==", "eq", "equalto" -> Values.equal(value, other);
            case "!=", "ne" -> !Values.equal(value, other);
            case "<", "lt", "lessthan" -> Values.compare(value, other, "<") < 0;
            case "<=", "le" -> Values.compare(value, other, "<=") <= 0;
            case ">", "gt", "greaterthan" -> Values.compare(value, other, ">") > 0;
            case ">=", "ge" -> Values.compare(value, other, ">=") >= 0;
            case "in" -> Values.contains(other, value);
            case "sameas" -> value == other || value != null && !(value instanceof Map) && value.equals(other);
            default -> Values.equal(Arithmetic.apply("%", value, other, new Budget()), 0L);
        };
    }

    private static boolean parity(Object value, boolean odd) {
        return Values.equal(Arithmetic.apply("%", value, 2L, new Budget()), odd ? 1L : 0L);
    }

    static boolean isLower(String text) {
        return text.codePoints().anyMatch(Character::isLowerCase)
                && text.codePoints().noneMatch(c -> Character.isUpperCase(c) || Character.isTitleCase(c));
    }

    static boolean isUpper(String text) {
        return text.codePoints().anyMatch(Character::isUpperCase)
                && text.codePoints().noneMatch(c -> Character.isLowerCase(c) || Character.isTitleCase(c));
    }
}
