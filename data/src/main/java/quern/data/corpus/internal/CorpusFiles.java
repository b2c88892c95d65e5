package quern.data.corpus.internal;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import quern.data.corpus.CorpusFile;
import quern.data.corpus.CorpusReader;
import quern.data.corpus.PreparePlan;
import quern.data.corpus.PrepareRecipe;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.Shorthand;
import quern.recipe.Technique;
import quern.recipe.Techniques;

/** Finds the files of a block of {@code sources}, and who reads them. */
public final class CorpusFiles {
    private static final String PATH = "path";
    private static final String TYPE = "type";
    private static final long MEGABYTE = 1_000_000;

    private CorpusFiles() {}

    /** The keys that every source has. */
    record Head(@Shorthand List<String> path, Optional<String> type) {
        Head {
            path = List.copyOf(path);
            if (path.isEmpty()) {
                throw new IllegalArgumentException("path: nothing is named; expected a file, a folder or a glob");
            }
        }
    }

    /** The files of a block, sorted by path, with their readers. */
    public static List<PreparePlan.Source> sources(Block block, PrepareRecipe recipe) {
        Block head = block;
        for (String key : block.keys()) {
            head = key.equals(PATH) || key.equals(TYPE) ? head : head.without(key);
        }
        Head named = head.bind(Head.class);
        Optional<CorpusReader> type =
                named.type().map(id -> Techniques.find(CorpusReader.class, "source", id, block.position(TYPE)));
        Path output = recipe.outputDir().toAbsolutePath().normalize();
        TreeSet<Path> files = new TreeSet<>();
        for (String entry : named.path()) {
            files.addAll(find(entry, type, block, output));
        }
        Block settings = block.without(PATH).without(TYPE);
        List<PreparePlan.Source> sources = new ArrayList<>();
        for (Path file : files) {
            CorpusReader reader = type.or(() -> byName(file)).orElseThrow();
            CorpusFile source = new CorpusFile(
                    file, file.toString().replace('\\', '/'), (int) (recipe.maxDocumentMegabytes() * MEGABYTE));
            sources.add(new PreparePlan.Source(source, reader, settings.bind(reader.config())));
        }
        return sources;
    }

    private static List<CorpusReader> readers() {
        return Techniques.all().stream()
                .filter(CorpusReader.class::isInstance)
                .map(CorpusReader.class::cast)
                .toList();
    }

    /** Who reads files of this name. */
    public static Optional<CorpusReader> byName(Path file) {
        String name = plainName(file);
        return readers().stream()
                .filter(reader -> reader.endings().stream().anyMatch(name::endsWith))
                .findFirst();
    }

    private static String plainName(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return name.endsWith(".gz") || name.endsWith(".zst") ? name.substring(0, name.lastIndexOf('.')) : name;
    }

    private static String endings() {
        return readers().stream()
                .flatMap(reader -> reader.endings().stream())
                .sorted()
                .collect(Collectors.joining(", "));
    }

    private static List<Path> find(String entry, Optional<CorpusReader> type, Block block, Path output) {
        Path path = path(entry, block);
        List<Path> found;
        if (Files.isDirectory(path)) {
            if (isIn(output, path)) {
                throw bad(block, "%s: lies in output_dir; name sources outside of it".formatted(entry));
            }
            found = walk(path)
                    .filter(file -> isSource(file, type) && !isIn(output, file))
                    .toList();
            if (found.isEmpty()) {
                throw bad(
                        block,
                        "%s: no file in this folder ends in %s; name the right folder or files"
                                .formatted(
                                        entry,
                                        type.map(t -> String.join(", ", new TreeSet<>(t.endings())))
                                                .orElseGet(CorpusFiles::endings)));
            }
        } else if (Files.exists(path)) {
            if (type.isEmpty() && byName(path).isEmpty()) {
                throw bad(
                        block,
                        "%s: this kind of file is not known by its name; expected %s (also .gz, .zst), or a type"
                                .formatted(entry, endings()));
            }
            found = List.of(path);
        } else if (entry.chars().anyMatch(c -> c == '*' || c == '?' || c == '[' || c == '{')) {
            found = glob(entry, path, block).stream()
                    .filter(file -> (type.isPresent() || byName(file).isPresent()) && !isIn(output, file))
                    .toList();
            if (found.isEmpty()) {
                throw bad(block, "%s: no file of a known kind matches this pattern".formatted(entry));
            }
        } else {
            throw bad(block, "%s: no such file or folder".formatted(entry));
        }
        for (Path file : found) {
            check(file, block, output);
        }
        return found;
    }

    private static boolean isSource(Path file, Optional<CorpusReader> type) {
        Optional<CorpusReader> byName = byName(file);
        return byName.isPresent() && type.map(Technique::id).equals(type.flatMap(t -> byName.map(Technique::id)));
    }

    private static Path path(String entry, Block block) {
        try {
            return Path.of(entry).normalize();
        } catch (InvalidPathException e) {
            throw bad(block, "%s: not a path (%s)".formatted(entry, e.getReason()));
        }
    }

    private static void check(Path file, Block block, Path output) {
        if (isIn(output, file)) {
            throw bad(block, "%s: lies in output_dir; name sources outside of it".formatted(file));
        }
        if (!Files.isRegularFile(file)) {
            throw bad(block, "%s: not a regular file; name a file, a folder or a glob".formatted(file));
        }
        if (!Files.isReadable(file)) {
            throw bad(block, "%s: not readable by this user; check its permissions".formatted(file));
        }
    }

    /** What was prepared before is no source of what is prepared next. */
    private static boolean isIn(Path output, Path file) {
        return file.toAbsolutePath().normalize().startsWith(output);
    }

    private static List<Path> glob(String entry, Path pattern, Block block) {
        Path root = pattern.isAbsolute() ? pattern.getRoot() : Path.of("");
        for (Path name : pattern) {
            if (name.toString().chars().anyMatch(c -> c == '*' || c == '?' || c == '[' || c == '{')) {
                break;
            }
            root = root.resolve(name);
        }
        if (!Files.isDirectory(root.toString().isEmpty() ? Path.of(".") : root)) {
            throw bad(block, "%s: no file matches; there is no folder %s".formatted(entry, root));
        }
        try {
            PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
            return walk(root).filter(matcher::matches).toList();
        } catch (PatternSyntaxException e) {
            throw bad(block, "%s: not a valid glob pattern (%s)".formatted(entry, e.getDescription()));
        }
    }

    /**
     * Regular files below a folder, hidden ones left out. A link is followed to a file inside the folder only: an archive
     * that was unpacked must not name files elsewhere.
     */
    private static Stream<Path> walk(Path root) {
        Path base = root.toString().isEmpty() ? Path.of(".") : root;
        try (Stream<Path> found = Files.walk(base)) {
            Path real = base.toRealPath();
            List<Path> files = new ArrayList<>();
            for (Path file : (Iterable<Path>) found::iterator) {
                if (isVisible(base, file) && Files.isRegularFile(file) && isInside(real, file)) {
                    files.add(root.toString().isEmpty() ? base.relativize(file) : file);
                }
            }
            return files.stream();
        } catch (IOException | java.io.UncheckedIOException e) {
            throw new QuernException(
                    ExitCode.FAILED, base + ": the folder can not be read (" + e.getMessage() + ")", e);
        }
    }

    private static boolean isInside(Path realRoot, Path file) throws IOException {
        return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)
                || file.toRealPath().startsWith(realRoot);
    }

    private static boolean isVisible(Path base, Path file) {
        for (Path name : base.relativize(file)) {
            if (name.toString().startsWith(".") || name.toString().isEmpty()) {
                return false;
            }
        }
        return true;
    }

    private static QuernException bad(Block block, String message) {
        return QuernException.badInput("%s: %s", block.position(PATH), message);
    }
}
