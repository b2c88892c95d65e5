package quern.recipe;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Parse;
import org.snakeyaml.engine.v2.common.Anchor;
import org.snakeyaml.engine.v2.events.AliasEvent;
import org.snakeyaml.engine.v2.events.CollectionStartEvent;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.events.NodeEvent;
import org.snakeyaml.engine.v2.events.ScalarEvent;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.resolver.CoreScalarResolver;

/**
 * Composes one YAML 1.2 document (core schema) into {@link Node}s that know their places. It composes from parser events
 * itself, so that depth and the size of expanded aliases are bounded before anything is built.
 */
final class YamlReader {
    /** Characters in one text; the largest recipe is a hundredth of it. */
    static final int MAX_CHARACTERS = 1 << 20;

    /** Levels of nesting; also bounds the recursion of everything that walks a block. */
    static final int MAX_DEPTH = 64;

    /** Values in one document once its aliases are expanded. */
    static final int MAX_VALUES = 100_000;

    private static final String STANDARD_TAG = "tag:yaml.org,2002:";
    private static final CoreScalarResolver RESOLVER = new CoreScalarResolver(false);

    private final Function<Mark, Position> places;
    private final Iterator<Event> events;
    private final Map<Anchor, Node> anchored = new HashMap<>();
    private final Set<Anchor> open = new HashSet<>();
    private final Position whole;
    private Event last;
    private int values;

    private YamlReader(String text, Position whole, Function<Mark, Position> places) {
        this.whole = whole;
        this.places = places;
        LoadSettings settings = LoadSettings.builder()
                .setCodePointLimit(MAX_CHARACTERS)
                .setParseComments(false)
                .build();
        this.events = new Parse(settings).parseString(text).iterator();
    }

    /** The document in a file's text; empty when it holds none. */
    static Optional<Node> read(String file, String text) {
        return read(text, Position.of(file), mark -> new Position(file, mark.getLine() + 1, mark.getColumn() + 1));
    }

    /** The document in a text that stands at one place, such as an override. */
    static Optional<Node> readAt(Position place, String text) {
        return read(text, place, mark -> place);
    }

    private static Optional<Node> read(String text, Position whole, Function<Mark, Position> places) {
        if (text.length() > MAX_CHARACTERS) {
            throw Binder.bad(
                    whole, "too large: %d characters, at most %d are read".formatted(text.length(), MAX_CHARACTERS));
        }
        try {
            return new YamlReader(text, whole, places).document();
        } catch (MarkedYamlEngineException notYaml) {
            Position place = notYaml.getProblemMark()
                    .or(notYaml::getContextMark)
                    .map(places)
                    .orElse(whole);
            throw Binder.bad(place, "not valid YAML: " + Quoted.message(notYaml.getProblem()));
        } catch (YamlEngineException notYaml) {
            throw Binder.bad(whole, "not valid YAML: " + Quoted.message(notYaml));
        }
    }

    private Optional<Node> document() {
        Node root = null;
        while (hasNext()) {
            Event event = next();
            switch (event.getEventId()) {
                case StreamStart, StreamEnd, DocumentEnd, Comment -> {}
                case DocumentStart -> {
                    if (root != null) {
                        throw Binder.bad(place(event), "a second YAML document begins here; a recipe is one document");
                    }
                    root = node(next(), 0);
                }
                default -> throw new IllegalStateException("unexpected " + event.getEventId());
            }
        }
        return Optional.ofNullable(root);
    }

    private boolean hasNext() {
        try {
            return events.hasNext();
        } catch (NumberFormatException | IndexOutOfBoundsException broken) {
            throw atBrokenEscape(broken);
        }
    }

    private Event next() {
        try {
            return last = events.next();
        } catch (NumberFormatException | IndexOutOfBoundsException broken) {
            throw atBrokenEscape(broken);
        }
    }

    /** The parser does not check every escape in double quotes before it decodes it. */
    private QuernException atBrokenEscape(RuntimeException broken) {
        Position place = last == null ? whole : last.getEndMark().map(places).orElse(whole);
        return new QuernException(
                ExitCode.BAD_INPUT, place + ": not valid YAML: a broken escape after this place", broken);
    }

    private Node node(Event event, int depth) {
        Position place = place(event);
        if (depth > MAX_DEPTH) {
            throw Binder.bad(place, "nested more than %d levels deep".formatted(MAX_DEPTH));
        }
        count(place, 1);
        if (event instanceof AliasEvent alias) {
            return alias(alias.getAlias(), place, depth);
        }
        Optional<Anchor> anchor = ((NodeEvent) event).getAnchor();
        anchor.ifPresent(name -> {
            anchored.remove(name);
            open.add(name);
        });
        Node node = switch (event) {
            case ScalarEvent scalar -> scalar(scalar, place);
            case CollectionStartEvent start
            when start.getEventId() == Event.ID.SequenceStart -> sequence(start, place, depth);
            case CollectionStartEvent start -> mapping(start, place, depth);
            default -> throw new IllegalStateException("unexpected " + event.getEventId());
        };
        anchor.ifPresent(name -> {
            anchored.put(name, node);
            open.remove(name);
        });
        return node;
    }

    private Node alias(Anchor name, Position place, int depth) {
        if (open.contains(name)) {
            throw Binder.bad(place, "alias '*%s' contains itself".formatted(Quoted.line(name.getValue())));
        }
        Node target = anchored.get(name);
        if (target == null) {
            throw Binder.bad(
                    place,
                    "alias '*%s' has no anchor '&%s' before it"
                            .formatted(Quoted.line(name.getValue()), Quoted.line(name.getValue())));
        }
        measure(target, place, depth);
        return target;
    }

    /** Counts what an alias stands for as if it had been written out. */
    private void measure(Node target, Position place, int depth) {
        record Level(Node node, int depth) {}
        Deque<Level> rest = new ArrayDeque<>();
        rest.push(new Level(target, depth));
        while (!rest.isEmpty()) {
            Level level = rest.pop();
            count(place, 1);
            if (level.depth() > MAX_DEPTH) {
                throw Binder.bad(place, "nested more than %d levels deep".formatted(MAX_DEPTH));
            }
            switch (level.node()) {
                case Node.Scalar ignored -> {}
                case Node.Sequence list -> list.items().forEach(item -> rest.push(new Level(item, level.depth() + 1)));
                case Block block ->
                    block.entries().values().forEach(entry -> rest.push(new Level(entry.value(), level.depth() + 1)));
            }
        }
    }

    private void count(Position place, int more) {
        values += more;
        if (values > MAX_VALUES) {
            throw Binder.bad(place, "holds more than %d values, aliases expanded".formatted(MAX_VALUES));
        }
    }

    private Node sequence(CollectionStartEvent start, Position place, int depth) {
        requireTag(start.getTag(), Tag.SEQ, place);
        List<Node> items = new ArrayList<>();
        for (Event next = next(); next.getEventId() != Event.ID.SequenceEnd; next = next()) {
            items.add(node(next, depth + 1));
        }
        return new Node.Sequence(items, place);
    }

    private Node mapping(CollectionStartEvent start, Position place, int depth) {
        requireTag(start.getTag(), Tag.MAP, place);
        Map<String, Block.Entry> entries = new LinkedHashMap<>();
        for (Event next = next(); next.getEventId() != Event.ID.MappingEnd; next = next()) {
            Position keyPlace = place(next);
            String key = key(next, keyPlace);
            Block.Entry first = entries.get(key);
            if (first != null) {
                throw Binder.bad(
                        keyPlace, "duplicate key %s (first at %s)".formatted(Quoted.text(key), first.position()));
            }
            entries.put(key, new Block.Entry(keyPlace, node(next(), depth + 1)));
        }
        return new Block(place, entries);
    }

    private static String key(Event event, Position place) {
        if (!(event instanceof ScalarEvent scalar)) {
            throw Binder.bad(place, "a key must be a plain word, not a list, a block or an alias");
        }
        String key = scalar.getValue();
        if (key.isEmpty()) {
            throw Binder.bad(place, "an empty key; expected 'key: value'");
        }
        if (key.equals("<<") && scalar.isPlain()) {
            throw Binder.bad(place, "'<<' is not part of YAML 1.2; use 'extends: FILE' to build on another recipe");
        }
        return key;
    }

    private Node scalar(ScalarEvent event, Position place) {
        String text = event.getValue();
        Tag natural = event.isPlain() ? RESOLVER.resolve(text, true) : Tag.STR;
        String wanted = event.getTag().orElse(natural.getValue());
        if (wanted.equals("!") || wanted.equals(Tag.STR.getValue())) {
            return new Node.Scalar(text, place);
        }
        boolean widened = wanted.equals(Tag.FLOAT.getValue()) && natural.equals(Tag.INT);
        if (!wanted.equals(natural.getValue()) && !widened) {
            throw badTag(wanted, place);
        }
        Object value;
        if (natural.equals(Tag.NULL)) {
            value = null;
        } else if (natural.equals(Tag.BOOL)) {
            value = Boolean.valueOf(text);
        } else if (natural.equals(Tag.INT)) {
            long number = integer(text, place);
            value = widened ? (Object) (double) number : (Object) number;
        } else if (natural.equals(Tag.FLOAT)) {
            value = real(text);
        } else {
            throw badTag(wanted, place);
        }
        return new Node.Scalar(value, place);
    }

    private static long integer(String text, Position place) {
        try {
            if (text.startsWith("0x")) {
                return Long.parseLong(text.substring(2), 16);
            }
            return text.startsWith("0o") ? Long.parseLong(text.substring(2), 8) : Long.parseLong(text);
        } catch (NumberFormatException tooLarge) {
            throw Binder.bad(
                    place, "the number %s does not fit in 64 bits; in quotes it is text".formatted(Quoted.line(text)));
        }
    }

    private static double real(String text) {
        String plain = text.startsWith("+") || text.startsWith("-") ? text.substring(1) : text;
        double sign = text.startsWith("-") ? -1.0 : 1.0;
        if (plain.equalsIgnoreCase(".inf")) {
            return sign * Double.POSITIVE_INFINITY;
        }
        return plain.equalsIgnoreCase(".nan") ? Double.NaN : sign * Double.parseDouble(plain);
    }

    private static void requireTag(Optional<String> tag, Tag expected, Position place) {
        tag.filter(name -> !name.equals("!") && !name.equals(expected.getValue()))
                .ifPresent(name -> {
                    throw badTag(name, place);
                });
    }

    private static QuernException badTag(String tag, Position place) {
        String shown = tag.startsWith(STANDARD_TAG) ? "!!" + tag.substring(STANDARD_TAG.length()) : tag;
        return Binder.bad(place, "the tag %s does not fit this value; leave it out".formatted(Quoted.text(shown)));
    }

    private Position place(Event event) {
        return places.apply(event.getStartMark().orElseThrow());
    }
}
