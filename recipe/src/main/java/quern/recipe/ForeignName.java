package quern.recipe;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What another tool calls something that Quern names differently, or does not have. The table is the resource {@code
 * foreign-names.yaml}.
 *
 * @param tool whose name it is; empty for a name in general use
 * @param here Quern's key, with its block before a dot, or {@code key: value}
 * @param note what to do, where no key corresponds
 */
record ForeignName(Optional<String> tool, Optional<String> here, Optional<String> note) {
    ForeignName {
        if (here.isPresent() == note.isPresent()) {
            throw new IllegalArgumentException("a foreign name has either 'here' or 'note'");
        }
    }

    /** The entry for a name, if another tool uses it. */
    static Optional<ForeignName> of(String name) {
        return Optional.ofNullable(Table.NAMES.get(name));
    }

    /** Every entry by its name. */
    static Map<String, ForeignName> all() {
        return Table.NAMES;
    }

    /** Quern's key without block and value. */
    Optional<String> key() {
        return here.map(text -> text.split(":", 2)[0]).map(path -> path.substring(path.lastIndexOf('.') + 1));
    }

    /** Quern's top-level key. */
    Optional<String> topLevelKey() {
        return here.map(text -> text.split("[.:]", 2)[0]);
    }

    /** Whether the answer is about a block with these keys, or below it; a note always is. */
    boolean answersIn(Set<String> known) {
        return note.isPresent()
                || key().filter(known::contains).isPresent()
                || topLevelKey().filter(known::contains).isPresent();
    }

    /** The end of the message about an unknown key. */
    String answer() {
        String whose = tool.map(name -> ": " + name + "'s name").orElse("");
        String rest = here.map("here it is '%s'"::formatted).orElseGet(note::orElseThrow);
        return (whose.isEmpty() ? ": " : whose + "; ") + rest;
    }

    /** Read when the first unknown key is met. */
    private static final class Table {
        private static final String RESOURCE = "foreign-names.yaml";
        private static final Map<String, ForeignName> NAMES = load();

        private static Map<String, ForeignName> load() {
            try (InputStream in = ForeignName.class.getResourceAsStream(RESOURCE)) {
                String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                Block table = (Block) YamlReader.read(RESOURCE, text).orElseThrow();
                Map<String, ForeignName> names = new LinkedHashMap<>();
                table.keys().forEach(name -> names.put(name, table.block(name).bind(ForeignName.class)));
                return Map.copyOf(names);
            } catch (IOException unreadable) {
                throw new UncheckedIOException(RESOURCE, unreadable);
            }
        }
    }
}
