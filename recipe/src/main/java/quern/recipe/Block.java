package quern.recipe;

import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * A part of a recipe: an immutable mapping from keys to values in the order they were written, which knows where each
 * was written. A room turns the block it is given into its own record with {@link #bind}. Two blocks are equal when
 * their values are, wherever they were written.
 */
public final class Block implements Node {
    /** A value and the place of its key. */
    record Entry(Position position, Node value) {}

    private final Position position;
    private final Map<String, Entry> entries;

    Block(Position position, Map<String, Entry> entries) {
        this.position = position;
        this.entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
    }

    /** A block without keys. */
    public static Block empty(Position position) {
        return new Block(position, Map.of());
    }

    /** Where the block was written. */
    @Override
    public Position position() {
        return position;
    }

    /** Where a key was written, or the block itself where the key is absent. */
    public Position position(String key) {
        Entry entry = entries.get(key);
        return entry == null ? position : entry.position();
    }

    /** The keys in the order they were written. */
    public Set<String> keys() {
        return entries.keySet();
    }

    /** Whether the key is there. */
    public boolean has(String key) {
        return entries.containsKey(key);
    }

    /** The text under a key; it is bad input when the key is missing or holds anything but text. */
    public String text(String key) {
        Node value = required(key);
        if (value instanceof Scalar scalar && scalar.value() instanceof String text) {
            return text;
        }
        throw Binder.wrongType(position(key), key, "text", value);
    }

    /** The block under a key; it is bad input when the key is missing or holds anything but a block. */
    public Block block(String key) {
        Node value = required(key);
        if (value instanceof Block block) {
            return block;
        }
        throw Binder.wrongType(position(key), key, "a block of keys", value);
    }

    /** The blocks of the list under a key; it is bad input when the key is missing or holds anything else. */
    public List<Block> blocks(String key) {
        Node value = required(key);
        if (!(value instanceof Sequence list)) {
            throw Binder.wrongType(position(key), key, "a list of blocks", value);
        }
        List<Block> blocks = new ArrayList<>();
        for (Node item : list.items()) {
            if (!(item instanceof Block block)) {
                throw Binder.wrongType(item.position(), key, "a list of blocks", item);
            }
            blocks.add(block);
        }
        return List.copyOf(blocks);
    }

    /** A component's key in a recipe: its name in snake case. */
    public static String key(RecordComponent component) {
        String name = component.getName();
        StringBuilder key = new StringBuilder();
        for (int i = 0; i < name.length(); i++) {
            char letter = name.charAt(i);
            if (Character.isUpperCase(letter)) {
                key.append('_').append(Character.toLowerCase(letter));
            } else {
                key.append(letter);
            }
        }
        return key.toString();
    }

    /**
     * The record that this block describes. Keys are the components' names in snake case. A component takes its {@link
     * Default} when its key is absent, an {@link java.util.Optional} is empty then, and any other component is required.
     *
     * <p>Components may be String, boolean, int, long, double, Path, an enum (written in lower case), Block, Object (the
     * plain value), another record, or a List, an Optional or a Map from String of these. An int is taken for a double;
     * nothing else is converted. Numbers must be finite and inside the component's {@link Range}.
     *
     * <p>An unknown, missing or misplaced key, a value of the wrong type or out of range is {@link
     * ExitCode#BAD_INPUT} with the place. So is an {@link IllegalArgumentException} from the record's constructor: a
     * message of the form {@code key: reason} is placed at that key.
     */
    public <R extends Record> R bind(Class<R> type) {
        return Binder.bind(this, type);
    }

    /**
     * This block with one value added or replaced.
     *
     * @param value text, a boolean, a number, a path, an enum constant, a block, or a list or a map of these
     */
    public Block with(String key, Object value) {
        Map<String, Entry> copy = new LinkedHashMap<>(entries);
        copy.put(key, new Entry(position(key), node(Objects.requireNonNull(value, key), position(key))));
        return new Block(position, copy);
    }

    /** This block without a key; the same block when the key is not there. */
    public Block without(String key) {
        if (!has(key)) {
            return this;
        }
        Map<String, Entry> copy = new LinkedHashMap<>(entries);
        copy.remove(key);
        return new Block(position, copy);
    }

    /** The values as plain maps, lists, text, booleans, longs and doubles, in the order they were written. */
    public Map<String, Object> toMap() {
        Map<String, Object> values = new LinkedHashMap<>();
        entries.forEach((key, entry) -> values.put(key, entry.value().plain()));
        return Collections.unmodifiableMap(values);
    }

    Map<String, Entry> entries() {
        return entries;
    }

    private Node required(String key) {
        Entry entry = entries.get(key);
        if (entry == null) {
            throw Binder.missing(position, key);
        }
        return entry.value();
    }

    private static Node node(Object value, Position position) {
        return switch (value) {
            case null -> new Scalar(null, position);
            case Node node -> node;
            case String text -> new Scalar(text, position);
            case Boolean flag -> new Scalar(flag, position);
            case Integer number -> new Scalar(number.longValue(), position);
            case Long number -> new Scalar(number, position);
            case Float number -> new Scalar(number.doubleValue(), position);
            case Double number -> new Scalar(number, position);
            case Path path -> new Scalar(path.toString(), position);
            case Enum<?> constant -> new Scalar(constant.name().toLowerCase(Locale.ROOT), position);
            case List<?> list -> {
                List<Node> items = new ArrayList<>();
                list.forEach(item -> items.add(node(item, position)));
                yield new Sequence(items, position);
            }
            case Map<?, ?> map -> {
                Map<String, Entry> copy = new LinkedHashMap<>();
                map.forEach((key, item) -> copy.put(
                        (String) key, new Entry(position, node(Objects.requireNonNull(item, (String) key), position))));
                yield new Block(position, copy);
            }
            default ->
                throw new IllegalArgumentException(
                        "a recipe holds no " + value.getClass().getName());
        };
    }

    @Override
    public Map<String, Object> plain() {
        return toMap();
    }

    @Override
    public String describe() {
        return "a block of keys";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Block block && toMap().equals(block.toMap());
    }

    @Override
    public int hashCode() {
        return toMap().hashCode();
    }

    /** The values, without places. */
    @Override
    public String toString() {
        return toMap().toString();
    }
}
