package quern.recipe;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Reads and writes recipes: YAML 1.2 with the core schema ({@code 1e-5} is a number, {@code no} is text), duplicate keys
 * refused.
 *
 * <p>{@code extends: base.yaml}, relative to the recipe that says it, builds on another recipe: blocks are merged key by
 * key, lists and scalars replaced, and {@code key: null} deletes what the base says. Overrides {@code a.b=value} come
 * last and follow the same rules; their values are YAML. A text that begins with one of {@code * & ! % @ `} is plain
 * text in an override, so that {@code data.path=*.txt} means what it says.
 *
 * <p>A text has at most 1 MiB, 64 levels and, aliases expanded, 100,000 values. Everything that is wrong is {@link
 * ExitCode#BAD_INPUT} with its place.
 */
public final class RecipeFile {
    private static final String EXTENDS = "extends";
    private static final String BYTE_ORDER_MARK = "\uFEFF";
    private static final int MAX_EXTENDS = 16;
    private static final String PLAIN_IN_OVERRIDES = "*&!%@`";

    private RecipeFile() {}

    /** The recipe in a file, with what it extends and the overrides. */
    public static Block load(Path file, List<String> overrides) {
        return override(file(file, file.toString(), new ArrayList<>()), overrides);
    }

    /**
     * A recipe that comes with the program, with the overrides. It has no folder, so it can't extend another one.
     *
     * @param name what messages call it
     */
    public static Block load(String name, String text, List<String> overrides) {
        Block block = root(name, text);
        if (block.has(EXTENDS)) {
            throw Binder.bad(block.position(EXTENDS), "extends: a recipe that is not a file can't extend another");
        }
        return override(merge(Block.empty(block.position()), block), overrides);
    }

    /**
     * A recipe with changes on top, in their order: {@code a.b=value} as in {@link #load}, or several keys as a block in
     * braces, {@code {optim: lion, optim_args: {fused: false}}}, which is merged as one recipe into another.
     */
    public static Block changed(Block recipe, List<String> changes) {
        return override(recipe, changes);
    }

    /** A recipe with another on top, merged as one that it extends. */
    public static Block merged(Block base, Block over) {
        return merge(base, over);
    }

    /** YAML that {@link #load} reads back as an equal block. */
    public static String write(Block block) {
        return YamlWriter.write(block);
    }

    private static Block file(Path file, String place, List<Path> chain) {
        Block block = root(file.toString(), text(file, place));
        chain.add(real(file));
        if (!block.has(EXTENDS)) {
            return merge(Block.empty(block.position()), block);
        }
        Position position = block.position(EXTENDS);
        String base = block.text(EXTENDS);
        Path baseFile;
        try {
            baseFile = file.resolveSibling(base);
        } catch (InvalidPathException refused) {
            throw Binder.bad(position, "extends: %s is no path".formatted(Quoted.text(base)));
        }
        if (base.isEmpty() || Files.isDirectory(baseFile)) {
            throw Binder.bad(position, "extends: %s is not a file".formatted(Quoted.text(base)));
        }
        if (!Files.exists(baseFile)) {
            throw Binder.bad(position, "extends: no such file '%s'".formatted(baseFile));
        }
        if (chain.contains(real(baseFile))) {
            throw Binder.bad(position, "extends: '%s' extends this recipe in turn".formatted(baseFile));
        }
        if (chain.size() == MAX_EXTENDS) {
            throw Binder.bad(position, "extends: a chain of more than %d recipes".formatted(MAX_EXTENDS));
        }
        return merge(file(baseFile, position + ": extends", chain), block.without(EXTENDS));
    }

    private static Path real(Path file) {
        try {
            return file.toRealPath();
        } catch (IOException gone) {
            throw unreadable(file, gone);
        }
    }

    private static String text(Path file, String place) {
        if (!Files.exists(file)) {
            throw QuernException.badInput("%s: no such file; expected a recipe in YAML", place);
        }
        if (Files.isDirectory(file)) {
            throw QuernException.badInput("%s: a folder; expected a recipe in YAML", place);
        }
        byte[] bytes;
        try (InputStream in = Files.newInputStream(file)) {
            bytes = in.readNBytes(YamlReader.MAX_CHARACTERS + 1);
        } catch (IOException unreadable) {
            throw unreadable(file, unreadable);
        }
        if (bytes.length > YamlReader.MAX_CHARACTERS) {
            throw QuernException.badInput(
                    "%s: larger than %d bytes; expected a recipe in YAML", file, YamlReader.MAX_CHARACTERS);
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException binary) {
            throw QuernException.badInput("%s: not UTF-8 text; expected a recipe in YAML", file);
        }
    }

    private static QuernException unreadable(Path file, IOException cause) {
        return new QuernException(
                ExitCode.BAD_INPUT, "%s: can't be read (%s)".formatted(file, Quoted.message(cause)), cause);
    }

    private static Block root(String name, String text) {
        String yaml = text.startsWith(BYTE_ORDER_MARK) ? text.substring(1) : text;
        Optional<Node> root = YamlReader.read(name, yaml);
        if (root.isEmpty() || root.get() instanceof Node.Scalar scalar && scalar.value() == null) {
            throw QuernException.badInput("%s: empty; expected a recipe, keys with values", name);
        }
        if (root.get() instanceof Block block) {
            return block;
        }
        throw Binder.bad(
                root.get().position(),
                "expected a recipe, keys with values; found " + root.get().describe());
    }

    private static Block override(Block recipe, List<String> overrides) {
        Block result = recipe;
        for (String text : overrides) {
            result = merge(result, parse(text, result));
        }
        return result;
    }

    /** An override as the nested block that a recipe would have said it with. */
    private static Block parse(String text, Block recipe) {
        Position place = Position.of("command line: " + Quoted.line(text));
        if (text.startsWith("{")) {
            return braces(text, place);
        }
        int equals = text.indexOf('=');
        if (equals < 0) {
            throw Binder.bad(place, "expected key=value");
        }
        List<String> path = List.of(text.substring(0, equals).split("\\.", -1));
        if (path.stream().anyMatch(key -> key.isBlank() || !key.equals(key.strip()))) {
            throw Binder.bad(place, "expected a key such as max_steps or data.path before '='");
        }
        if (path.size() > YamlReader.MAX_DEPTH) {
            throw Binder.bad(place, "nested more than %d levels deep".formatted(YamlReader.MAX_DEPTH));
        }
        if (path.getFirst().equals(EXTENDS)) {
            throw Binder.bad(place, "extends: belongs in a recipe file");
        }
        requireBlocks(recipe, path, place);
        Node value = overrideValue(text.substring(equals + 1), place);
        for (int i = path.size() - 1; i >= 0; i--) {
            value = new Block(place, Map.of(path.get(i), new Block.Entry(place, value)));
        }
        return (Block) value;
    }

    private static Block braces(String text, Position place) {
        Node value = overrideValue(text, place);
        if (!(value instanceof Block block)) {
            throw Binder.bad(place, "expected {key: value, …}, found " + value.describe());
        }
        if (block.has(EXTENDS)) {
            throw Binder.bad(place, "extends: belongs in a recipe file");
        }
        return block;
    }

    private static Node overrideValue(String text, Position place) {
        if (!text.isEmpty() && PLAIN_IN_OVERRIDES.indexOf(text.charAt(0)) >= 0) {
            return new Node.Scalar(text, place);
        }
        return YamlReader.readAt(place, text)
                .orElseThrow(
                        () -> Binder.bad(place, "no value; write null to delete the key, or '\"\"' for an empty text"));
    }

    /** Setting a key below a scalar or a list would silently throw that value away. */
    private static void requireBlocks(Block recipe, List<String> path, Position place) {
        Block at = recipe;
        for (int i = 0; i < path.size() - 1; i++) {
            Block.Entry entry = at.entries().get(path.get(i));
            if (entry == null) {
                return;
            }
            if (!(entry.value() instanceof Block block)) {
                throw Binder.bad(
                        place,
                        "'%s' is %s, not a block of keys; give the whole block, as in %s={key: value}"
                                .formatted(
                                        String.join(".", path.subList(0, i + 1)),
                                        entry.value().describe(),
                                        String.join(".", path.subList(0, i + 1))));
            }
            at = block;
        }
    }

    private static Block merge(Block base, Block over) {
        Map<String, Block.Entry> merged = new LinkedHashMap<>(base.entries());
        over.entries().forEach((key, entry) -> {
            Block.Entry old = merged.get(key);
            switch (entry.value()) {
                case Node.Scalar scalar
                when scalar.value() == null -> {
                    if (merged.remove(key) == null) {
                        throw Binder.bad(
                                entry.position(),
                                "key %s has no value (null deletes a key of the extended recipe, which has none such)"
                                        .formatted(Quoted.text(key)));
                    }
                }
                case Block block -> {
                    Block below = old != null && old.value() instanceof Block oldBlock
                            ? oldBlock
                            : Block.empty(block.position());
                    merged.put(key, new Block.Entry(entry.position(), merge(below, block)));
                }
                case Node.Sequence list -> merged.put(key, new Block.Entry(entry.position(), withoutNulls(list)));
                case Node.Scalar scalar -> merged.put(key, entry);
            }
        });
        // An override changes a key; the block itself stays where it was written.
        return new Block(over.position().line() == 0 ? base.position() : over.position(), merged);
    }

    /** Blocks inside a list merge with nothing, so a null in one deletes nothing and is refused there. */
    private static Node withoutNulls(Node node) {
        return switch (node) {
            case Node.Scalar scalar -> scalar;
            case Block block -> merge(Block.empty(block.position()), block);
            case Node.Sequence list ->
                new Node.Sequence(
                        list.items().stream().map(RecipeFile::withoutNulls).toList(), list.position());
        };
    }
}
