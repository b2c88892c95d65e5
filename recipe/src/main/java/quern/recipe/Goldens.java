package quern.recipe;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Finds golden cases and replays them with the {@link GoldenReplay}s on the class path. */
public final class Goldens {
    private Goldens() {}

    /**
     * Every case at or below the folders, in the order of the folders and, within one, of the paths. A folder that is
     * missing or has no case is bad input.
     */
    public static List<GoldenCase> find(List<Path> folders) {
        Set<Path> found = new LinkedHashSet<>();
        for (Path folder : folders) {
            if (!Files.isDirectory(folder)) {
                throw QuernException.badInput("%s: no such folder; expected a folder with golden cases", folder);
            }
            List<Path> cases = casesBelow(folder);
            if (cases.isEmpty()) {
                throw QuernException.badInput("%s: no golden case in it; a case is a folder with case.json", folder);
            }
            found.addAll(cases);
        }
        return found.stream().map(GoldenCase::read).toList();
    }

    /**
     * Replays every case. A kind that nothing replays is bad input, and is reported before anything runs; so is a
     * replay without checks, since it proves nothing.
     */
    public static List<GoldenResult> replayAll(List<GoldenCase> cases) {
        return replayAll(cases, result -> {});
    }

    /**
     * As above.
     *
     * @param each hears every result as soon as it is there
     */
    public static List<GoldenResult> replayAll(List<GoldenCase> cases, Consumer<GoldenResult> each) {
        return replayAll(cases, replays(GoldenReplay.class.getClassLoader()), each);
    }

    static List<GoldenResult> replayAll(
            List<GoldenCase> cases, Map<String, GoldenReplay> replays, Consumer<GoldenResult> each) {
        for (GoldenCase golden : cases) {
            if (!replays.containsKey(golden.kind())) {
                String hint = Suggestion.nearest(golden.kind(), replays.keySet())
                        .map(" (did you mean '%s'?)"::formatted)
                        .orElse("");
                throw QuernException.badInput(
                        "%s: unknown kind %s%s; known: %s",
                        golden.folder().resolve(GoldenCase.FILE),
                        Quoted.text(golden.kind()),
                        hint,
                        String.join(", ", replays.keySet()));
            }
        }
        List<GoldenResult> results = new ArrayList<>();
        for (GoldenCase golden : cases) {
            List<GoldenCheck> checks = replays.get(golden.kind()).replay(golden);
            if (checks.isEmpty()) {
                throw QuernException.badInput(
                        "%s: holds nothing to check", golden.folder().resolve(GoldenCase.FILE));
            }
            boolean ok = checks.stream().allMatch(GoldenCheck::ok);
            GoldenResult result = new GoldenResult(golden.kind(), golden.name(), checks, ok);
            results.add(result);
            each.accept(result);
        }
        return results;
    }

    static Map<String, GoldenReplay> replays(ClassLoader loader) {
        Map<String, GoldenReplay> byKind = new TreeMap<>();
        for (GoldenReplay replay : ServiceLoader.load(GoldenReplay.class, loader)) {
            GoldenReplay other = byKind.put(replay.kind(), replay);
            if (other != null) {
                throw QuernException.failed(
                        "two providers replay golden kind '%s': %s and %s; remove one from the class path",
                        replay.kind(),
                        other.getClass().getName(),
                        replay.getClass().getName());
            }
        }
        return byKind;
    }

    private static List<Path> casesBelow(Path folder) {
        try (Stream<Path> paths = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            return paths.filter(path -> path.getFileName().toString().equals(GoldenCase.FILE))
                    .filter(Files::isRegularFile)
                    .map(path -> path.getParent() == null ? Path.of("") : path.getParent())
                    .sorted()
                    .toList();
        } catch (IOException | UncheckedIOException unreadable) {
            throw new QuernException(
                    ExitCode.BAD_INPUT,
                    "%s: can't be searched (%s)".formatted(folder, Quoted.message(unreadable)),
                    unreadable);
        }
    }
}
