package quern.search;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import quern.recipe.Block;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;
import quern.train.RunFolder;

/**
 * Compares run folders that are there already. Runs whose recipes differ in nothing but the seed and the folder are one
 * arm; the first folder's arm is the baseline. Of runs that {@code quern train} made, only what their metrics hold is told.
 */
public final class FinishedRuns {
    private static final List<String> NOT_SETTINGS = List.of("output_dir", "seed");

    private FinishedRuns() {}

    private record Run(Path folder, Block recipe, long seed, Map<String, Object> settings) {}

    /**
     * Compares them.
     *
     * @param folders at least two run folders
     * @throws QuernException bad input when a folder is no run folder or two of them are one arm with one seed, failed
     *     when its metrics are damaged
     */
    public static Comparison compare(List<Path> folders, OptionalDouble target) {
        List<Run> runs = folders.stream().map(FinishedRuns::open).toList();
        Map<Map<String, Object>, List<Run>> arms = new LinkedHashMap<>();
        for (Run run : runs) {
            List<Run> arm = arms.computeIfAbsent(run.settings(), s -> new ArrayList<>());
            if (arm.stream().anyMatch(r -> r.seed() == run.seed())) {
                // One recipe run twice: what differs lies outside of it, so each folder is an arm.
                arms.clear();
                runs.forEach(r -> arms.put(Map.of("folder", r.folder().toString()), List.of(r)));
                break;
            }
            arm.add(run);
        }
        if (arms.size() < 2) {
            throw QuernException.badInput(
                    "%s…: all of these runs have one recipe and differ in the seed alone; name runs of at least two recipes",
                    folders.getFirst());
        }
        List<String> warnings = new ArrayList<>();
        List<ArmRuns> all = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (List<Run> arm : arms.values()) {
            Run first = arm.getFirst();
            List<String> settings = differing(first.settings(), arms.keySet());
            String name = settings.isEmpty() || !names.add(String.join(", ", settings))
                    ? first.folder().toString()
                    : String.join(", ", settings);
            all.add(new ArmRuns(
                    new Arm(name, settings),
                    Optional.empty(),
                    List.of(),
                    arm.stream().map(r -> measured(r, warnings)).toList()));
        }
        return Comparison.of("Comparison of finished runs", all, Optional.empty(), target, warnings);
    }

    private static Run open(Path folder) {
        Path file = folder.resolve(RunFolder.RECIPE);
        if (!Files.isRegularFile(file) || !Files.isRegularFile(folder.resolve(RunFolder.METRICS))) {
            throw QuernException.badInput(
                    "%s: expected a run folder, with %s and %s; name one that quern train or compare made",
                    folder, RunFolder.RECIPE, RunFolder.METRICS);
        }
        Block block = RecipeFile.load(file, List.of());
        Map<String, Object> settings = new LinkedHashMap<>(block.toMap());
        NOT_SETTINGS.forEach(settings::remove);
        return new Run(folder, block, Recipe.from(block).seed(), settings);
    }

    private static MeasuredRun measured(Run run, List<String> warnings) {
        Path file = run.folder().resolve(RunReport.FILE);
        Optional<RunReport> report =
                Files.isRegularFile(file) ? Optional.of(SearchJson.read(file, RunReport.class)) : Optional.empty();
        Recipe recipe = Recipe.from(run.recipe());
        MeasuredRun measured = MeasuredRun.of(run.seed(), run.folder(), recipe.loadBestModelAtEnd(), report);
        double last = measured.curve().training().isEmpty()
                ? 0
                : measured.curve().training().getLast().step();
        if (report.isEmpty() && recipe.maxSteps() > last) {
            warnings.add("%s: has %,.0f of its %,d steps; it is judged by its last evaluation"
                    .formatted(run.folder(), last, recipe.maxSteps()));
        }
        if (measured.loss().isEmpty() && !measured.diverged()) {
            warnings.add("%s: holds no validation loss".formatted(run.folder()));
        }
        return measured;
    }

    /** The settings, as {@code key=value}, that are not the same in all arms. */
    private static List<String> differing(Map<String, Object> settings, Set<Map<String, Object>> all) {
        Set<String> keys =
                all.stream().flatMap(s -> s.keySet().stream()).collect(Collectors.toCollection(TreeSet::new));
        return keys.stream()
                .filter(key -> all.stream().anyMatch(other -> !Objects.equals(other.get(key), settings.get(key))))
                .filter(settings::containsKey)
                .map(key -> key + "=" + settings.get(key))
                .toList();
    }
}
