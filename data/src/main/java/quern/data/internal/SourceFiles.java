package quern.data.internal;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Stream;
import quern.recipe.QuernException;

/** Turns the entries of {@code data.path} into a sorted list of readable, non-empty files of known kinds. */
public final class SourceFiles {
    private static final String KINDS = ".txt, .jsonl or .json, or .gz or .zst of one of them";
    private static final String FOLDER_KINDS = ".txt or .jsonl, or .gz or .zst of one of them";

    private SourceFiles() {}

    /** What a file's name says about its content. */
    public enum Kind {
        TEXT,
        JSON_LINES,
        /** One list of rows. */
        JSON
    }

    /** The kind by name, with compression endings taken off; null for any other name. */
    public static Kind kind(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        if (name.endsWith(".gz") || name.endsWith(".zst")) {
            name = name.substring(0, name.lastIndexOf('.'));
        }
        if (name.endsWith(".txt")) {
            return Kind.TEXT;
        }
        if (name.endsWith(".json")) {
            return Kind.JSON;
        }
        return name.endsWith(".jsonl") ? Kind.JSON_LINES : null;
    }

    /** The files named by the entries, sorted by path, each once. */
    public static List<Path> resolve(List<String> entries) {
        TreeSet<Path> files = new TreeSet<>();
        for (String entry : entries) {
            Path path = toPath(entry);
            if (path != null && Files.isDirectory(path)) {
                List<Path> inside = walk(path).filter(SourceFiles::isTextSource).toList();
                if (inside.isEmpty()) {
                    throw QuernException.badInput(
                            "%s: no file in this folder ends in %s; name the right folder or files",
                            entry, FOLDER_KINDS);
                }
                files.addAll(inside);
            } else if (path != null && Files.exists(path)) {
                if (kind(path) == null) {
                    throw QuernException.badInput(
                            "%s: this kind of file is not known; expected a name that ends in %s", entry, KINDS);
                }
                files.add(path);
            } else if (isPattern(entry)) {
                files.addAll(glob(entry));
            } else {
                throw QuernException.badInput("%s: no such file or folder; check data.path", entry);
            }
        }
        for (Path file : files) {
            checkReadable(file);
        }
        return List.copyOf(files);
    }

    private static void checkReadable(Path file) {
        if (!Files.isRegularFile(file)) {
            throw QuernException.badInput("%s: not a regular file; name a file, a folder or a glob", file);
        }
        if (!Files.isReadable(file)) {
            throw QuernException.badInput("%s: not readable by this user; check its permissions", file);
        }
        try {
            if (Files.size(file) == 0) {
                throw QuernException.badInput("%s: the file is empty (0 bytes); expected text", file);
            }
        } catch (IOException e) {
            throw new QuernException(
                    quern.recipe.ExitCode.FAILED, file + ": its size can not be read (" + e.getMessage() + ")", e);
        }
    }

    private static Path toPath(String entry) {
        try {
            return Path.of(entry).normalize();
        } catch (java.nio.file.InvalidPathException e) {
            throw QuernException.badInput("%s: not a path (%s)", entry, e.getReason());
        }
    }

    private static boolean isPattern(String entry) {
        return entry.chars().anyMatch(c -> c == '*' || c == '?' || c == '[' || c == '{');
    }

    private static boolean isSource(Path file) {
        return kind(file) != null && Files.isRegularFile(file);
    }

    /** Settings lie as .json beside texts, so such a file must be named, or matched by a pattern. */
    private static boolean isTextSource(Path file) {
        return isSource(file) && kind(file) != Kind.JSON;
    }

    private static List<Path> glob(String entry) {
        Path pattern = toPath(entry);
        // The folder to search is the longest leading part without wildcards.
        Path root = pattern.isAbsolute() ? pattern.getRoot() : Path.of("");
        for (Path name : pattern) {
            if (isPattern(name.toString())) {
                break;
            }
            root = root.resolve(name);
        }
        PathMatcher matcher;
        try {
            matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
        } catch (PatternSyntaxException e) {
            throw QuernException.badInput("%s: not a valid glob pattern (%s)", entry, e.getDescription());
        }
        if (!Files.isDirectory(root)) {
            throw QuernException.badInput("%s: no file matches; there is no folder %s", entry, root);
        }
        List<Path> matches = walk(root).filter(matcher::matches).toList();
        List<Path> sources = matches.stream().filter(SourceFiles::isSource).toList();
        if (sources.isEmpty()) {
            throw QuernException.badInput(
                    matches.isEmpty()
                            ? "%s: no file matches this pattern; check data.path"
                            : "%s: the matching files do not end in " + KINDS,
                    entry);
        }
        return sources;
    }

    /** Files below a folder, hidden ones left out. */
    private static Stream<Path> walk(Path root) {
        Path base = root.toString().isEmpty() ? Path.of(".") : root;
        try (Stream<Path> found = Files.walk(base)) {
            return found
                    .map(p -> root.toString().isEmpty() ? base.relativize(p) : p)
                    .filter(p -> isVisible(root, p))
                    .toList()
                    .stream();
        } catch (IOException | java.io.UncheckedIOException e) {
            throw new QuernException(
                    quern.recipe.ExitCode.FAILED, base + ": the folder can not be read (" + e.getMessage() + ")", e);
        }
    }

    private static boolean isVisible(Path root, Path file) {
        Path below = root.toString().isEmpty() || !file.startsWith(root) ? file : root.relativize(file);
        for (Path name : below) {
            if (name.toString().startsWith(".")) {
                return false;
            }
        }
        return !below.toString().isEmpty();
    }
}
