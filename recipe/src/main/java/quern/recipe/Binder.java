package quern.recipe;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Binds blocks to records; {@link Block#bind} is its interface and says what holds. */
final class Binder {
    /** A key of a block in a block, as {@code KEY=VALUE} has it. */
    private static final Pattern DOTTED = Pattern.compile("[a-z_0-9]{1,40}(\\.[a-z_0-9]{1,40}){1,4}");

    private Binder() {}

    /** What a component's annotations say about its value. */
    private record Rules(Optional<Range> range, Optional<Shorthand> shorthand) {
        static final Rules NONE = new Rules(Optional.empty(), Optional.empty());

        static Rules of(RecordComponent component) {
            return new Rules(
                    Optional.ofNullable(component.getAnnotation(Range.class)),
                    Optional.ofNullable(component.getAnnotation(Shorthand.class)));
        }

        Rules inner() {
            return new Rules(range, Optional.empty());
        }

        /** Those of a list's items: a shorthand with a key is theirs too. */
        Rules items() {
            return new Rules(range, shorthand.filter(s -> !s.value().isEmpty()));
        }
    }

    /** An enum constant as recipes write it. */
    static String word(Object constant) {
        return ((Enum<?>) constant).name().toLowerCase(Locale.ROOT);
    }

    static <R extends Record> R bind(Block block, Class<R> type) {
        RecordComponent[] components = type.getRecordComponents();
        Set<String> known =
                Arrays.stream(components).map(Block::key).collect(Collectors.toCollection(LinkedHashSet::new));
        for (String key : block.keys()) {
            if (!known.contains(key)) {
                throw bad(block.position(key), unknownKey(key, known));
            }
        }
        Object[] values = new Object[components.length];
        Class<?>[] types = new Class<?>[components.length];
        for (int i = 0; i < components.length; i++) {
            values[i] = component(block, components[i]);
            types[i] = components[i].getType();
        }
        return construct(block, type, types, values, known);
    }

    private static <R extends Record> R construct(
            Block block, Class<R> type, Class<?>[] types, Object[] values, Set<String> known) {
        try {
            Constructor<R> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(values);
        } catch (InvocationTargetException thrown) {
            switch (thrown.getCause()) {
                case IllegalArgumentException refused -> throw refusedBy(block, refused, known);
                case RuntimeException other -> throw other;
                case Error error -> throw error;
                default -> throw new IllegalStateException(type.getName(), thrown.getCause());
            }
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException(type.getName(), impossible);
        }
    }

    private static QuernException refusedBy(Block block, IllegalArgumentException refused, Set<String> known) {
        String message = String.valueOf(refused.getMessage()).lines().collect(Collectors.joining(" "));
        int colon = message.indexOf(": ");
        String key = colon > 0 ? message.substring(0, colon) : "";
        Position place = known.contains(key) ? block.position(key) : block.position();
        return new QuernException(ExitCode.BAD_INPUT, place + ": " + message, refused);
    }

    private static String unknownKey(String key, Set<String> known) {
        List<String> path = List.of(key.split("\\.", -1));
        if (path.size() > 1
                && known.contains(path.getFirst())
                && DOTTED.matcher(key).matches()) {
            return "unknown key '%s'; dots reach into blocks in KEY=VALUE alone, here it is written %s: …%s"
                    .formatted(key, String.join(": {", path), "}".repeat(path.size() - 1));
        }
        Optional<ForeignName> foreign = ForeignName.of(key);
        Optional<String> answer = foreign.map(ForeignName::answer);
        if (foreign.isEmpty() || !foreign.get().answersIn(known)) {
            Optional<String> nearest =
                    Suggestion.nearest(key, known).map(name -> " (did you mean '%s'?)".formatted(name));
            answer = nearest.or(() -> foreign.map(ForeignName::answer));
        }
        return "unknown key " + Quoted.text(key) + answer.orElseGet(() -> knownKeys(known));
    }

    private static String knownKeys(Set<String> known) {
        if (known.isEmpty()) {
            return "; this block takes no keys";
        }
        // The whole list of a large record would bury the message.
        return known.size() > 20
                ? "; 'quern schema' lists the keys"
                : "; known keys: " + known.stream().sorted().collect(Collectors.joining(", "));
    }

    private static Object component(Block block, RecordComponent component) {
        String key = Block.key(component);
        Rules rules = Rules.of(component);
        boolean optional = component.getType() == Optional.class;
        Block.Entry entry = block.entries().get(key);
        if (entry != null) {
            return value(entry.value(), component.getGenericType(), rules, entry.position(), key);
        }
        Default byDefault = component.getAnnotation(Default.class);
        if (byDefault != null) {
            return defaultValue(component, byDefault.value(), block.position());
        }
        if (optional) {
            return Optional.empty();
        }
        throw missing(block.position(), key);
    }

    /** A component's default as it is bound; a default that does not fit its component is a defect of the program. */
    static Object defaultValue(RecordComponent component, String text, Position place) {
        try {
            Node node = defaultNode(component, text, place);
            return value(node, component.getGenericType(), Rules.of(component), place, Block.key(component));
        } catch (QuernException unfit) {
            throw new IllegalStateException(
                    "@Default of %s.%s: %s"
                            .formatted(
                                    component.getDeclaringRecord().getName(), component.getName(), unfit.getMessage()),
                    unfit);
        }
    }

    /** A component's default as a recipe would have written it. */
    static Node defaultNode(RecordComponent component, String text, Position place) {
        Class<?> type = component.getType();
        if (type == String.class || type == Path.class || type.isEnum()) {
            return new Node.Scalar(text, place);
        }
        return YamlReader.readAt(place, text).orElseThrow(() -> bad(place, "an empty default"));
    }

    private static Object value(Node node, Type type, Rules rules, Position place, String key) {
        if (type instanceof ParameterizedType generic) {
            return container(node, generic, rules, place, key);
        }
        if (!(type instanceof Class<?> plain)) {
            throw new IllegalStateException("a record component of %s can't be bound".formatted(type));
        }
        Object scalar = node instanceof Node.Scalar leaf ? leaf.value() : null;
        if (plain == Object.class) {
            return node.plain();
        }
        if (plain == String.class) {
            return require(scalar instanceof String, scalar, place, key, "text", node);
        }
        if (plain == boolean.class || plain == Boolean.class) {
            return require(scalar instanceof Boolean, scalar, place, key, "true or false", node);
        }
        if (plain == int.class || plain == Integer.class) {
            require(scalar instanceof Long, scalar, place, key, "a whole number", node);
            long number = (Long) scalar;
            if (number != (int) number) {
                throw bad(place, "%s: %d does not fit in 32 bits".formatted(key, number));
            }
            return (int) inRange(number, number, rules, place, key);
        }
        if (plain == long.class || plain == Long.class) {
            require(scalar instanceof Long, scalar, place, key, "a whole number", node);
            return inRange((Long) scalar, (Long) scalar, rules, place, key);
        }
        if (plain == double.class || plain == Double.class) {
            require(scalar instanceof Number, scalar, place, key, "a number", node);
            double number = ((Number) scalar).doubleValue();
            if (!Double.isFinite(number)) {
                throw bad(place, "%s: expected a finite number, found %s".formatted(key, number));
            }
            return inRange(number, scalar, rules, place, key);
        }
        if (plain == Path.class) {
            require(scalar instanceof String, scalar, place, key, "a path", node);
            return path((String) scalar, place, key);
        }
        if (plain.isEnum()) {
            return constant(node, plain, place, key);
        }
        if (plain == Block.class) {
            return asBlock(node, rules, place, key);
        }
        if (plain.isRecord()) {
            return bind(asBlock(node, rules, place, key), plain.asSubclass(Record.class));
        }
        throw new IllegalStateException("a record component of %s can't be bound".formatted(plain.getName()));
    }

    private static Object container(Node node, ParameterizedType type, Rules rules, Position place, String key) {
        Class<?> raw = (Class<?>) type.getRawType();
        Type[] inner = type.getActualTypeArguments();
        if (raw == Optional.class) {
            return Optional.of(value(node, inner[0], rules, place, key));
        }
        if (raw == List.class) {
            boolean lone = node instanceof Node.Scalar || node instanceof Block && inner[0] == Block.class;
            if (lone && rules.shorthand().isPresent()) {
                return List.of(value(node, inner[0], rules.items(), place, key));
            }
            if (!(node instanceof Node.Sequence list)) {
                throw wrongType(place, key, "a list", node);
            }
            List<Object> items = new ArrayList<>();
            for (int i = 0; i < list.items().size(); i++) {
                Node item = list.items().get(i);
                items.add(value(item, inner[0], rules.items(), item.position(), key + "[" + i + "]"));
            }
            return Collections.unmodifiableList(items);
        }
        if (raw == Map.class && inner[0] == String.class) {
            Block block = asBlock(node, Rules.NONE, place, key);
            Map<String, Object> items = new LinkedHashMap<>();
            block.entries()
                    .forEach((name, entry) -> items.put(
                            name, value(entry.value(), inner[1], rules.inner(), entry.position(), key + "." + name)));
            return Collections.unmodifiableMap(items);
        }
        throw new IllegalStateException("a record component of %s can't be bound".formatted(type));
    }

    private static Block asBlock(Node node, Rules rules, Position place, String key) {
        if (node instanceof Block block) {
            return block;
        }
        Class<?> scalarType = rules.shorthand().filter(Shorthand::number).isPresent() ? Number.class : String.class;
        if (rules.shorthand().isPresent()
                && node instanceof Node.Scalar scalar
                && scalarType.isInstance(scalar.value())) {
            return new Block(
                    scalar.position(), Map.of(rules.shorthand().get().value(), new Block.Entry(place, scalar)));
        }
        String lone = scalarType == Number.class ? "a number or " : "a name or ";
        throw wrongType(place, key, (rules.shorthand().isPresent() ? lone : "") + "a block of keys", node);
    }

    private static Path path(String text, Position place, String key) {
        if (text.isEmpty()) {
            throw bad(place, key + ": an empty path");
        }
        try {
            return Path.of(text);
        } catch (InvalidPathException refused) {
            throw bad(place, "%s: %s is no path".formatted(key, Quoted.text(text)));
        }
    }

    private static Object constant(Node node, Class<?> type, Position place, String key) {
        Map<String, Object> constants = new LinkedHashMap<>();
        for (Object constant : type.getEnumConstants()) {
            constants.put(word(constant), constant);
        }
        String choices = "one of " + String.join(", ", constants.keySet());
        if (!(node instanceof Node.Scalar leaf) || !(leaf.value() instanceof String text)) {
            throw wrongType(place, key, choices, node);
        }
        Object constant = constants.get(text);
        if (constant == null) {
            String hint = Suggestion.nearest(text, constants.keySet())
                    .map(" (did you mean '%s'?)"::formatted)
                    .orElse("");
            throw bad(place, "%s: expected %s, found %s%s".formatted(key, choices, Quoted.text(text), hint));
        }
        return constant;
    }

    private static Object require(
            boolean fits, Object scalar, Position place, String key, String expected, Node found) {
        if (!fits) {
            throw wrongType(place, key, expected, found);
        }
        return scalar;
    }

    private static double inRange(double number, Object shown, Rules rules, Position place, String key) {
        if (rules.range().isPresent()) {
            Range range = rules.range().get();
            boolean low = range.minExclusive() ? number <= range.min() : number < range.min();
            boolean high = range.maxExclusive() ? number >= range.max() : number > range.max();
            if (low || high) {
                throw bad(place, "%s: %s is out of range; expected %s".formatted(key, shown, words(range)));
            }
        }
        return number;
    }

    private static long inRange(long number, Object shown, Rules rules, Position place, String key) {
        inRange((double) number, shown, rules, place, key);
        return number;
    }

    private static String words(Range range) {
        String low = (range.minExclusive() ? "above " : "at least ") + number(range.min());
        String high = (range.maxExclusive() ? "below " : "at most ") + number(range.max());
        if (range.min() == Double.NEGATIVE_INFINITY) {
            return high;
        }
        return range.max() == Double.POSITIVE_INFINITY ? low : low + " and " + high;
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }

    static QuernException missing(Position place, String key) {
        return bad(place, "missing key '%s'".formatted(key));
    }

    static QuernException wrongType(Position place, String key, String expected, Node found) {
        String hint = "";
        if (expected.equals("text") && found instanceof Node.Scalar scalar && scalar.value() != null) {
            hint = "; put it in quotes";
        }
        return bad(place, "%s: expected %s, found %s%s".formatted(key, expected, found.describe(), hint));
    }

    static QuernException bad(Position place, String message) {
        return new QuernException(ExitCode.BAD_INPUT, place + ": " + message);
    }
}
