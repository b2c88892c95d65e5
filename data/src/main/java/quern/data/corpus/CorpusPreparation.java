package quern.data.corpus;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import quern.data.corpus.internal.PreparedFolder;
import quern.data.corpus.internal.StageRun;
import quern.recipe.DurableFiles;
import quern.recipe.FolderLock;
import quern.recipe.QuernException;

/**
 * Prepares a corpus on this machine: reads the sources, runs the stages, writes documents, token shards and a report into
 * a folder. Memory is bounded whatever the size of the corpus, and the result is the same, byte for byte, for any number
 * of threads and however often the work was killed and begun again: each stage keeps its output under a name made from
 * everything it depends on, part by part, and what is whole is not made again.
 */
public final class CorpusPreparation {
    private static final String STAGES = ".stages";

    private CorpusPreparation() {}

    /** Follows the work; called by one thread. */
    public interface Watcher {
        /** A line for a person to read. */
        void note(String line);

        /**
         * The work goes on.
         *
         * @param stage what runs now, one word
         * @param index of it, from 0
         * @param stages how many there are
         * @param share of it that is done, in [0, 1]
         * @param documents that stayed so far
         */
        void progress(String stage, int index, int stages, double share, long documents);
    }

    /**
     * Does it all.
     *
     * @throws QuernException for a recipe that doesn't fit, files that can't be read at all, a full disk, and where no
     *     document is left
     */
    public static PrepareReport run(PrepareRecipe recipe, Watcher watcher) {
        long start = System.nanoTime();
        PreparePlan plan = PreparePlan.of(recipe);
        Path output = recipe.outputDir();
        try {
            Files.createDirectories(output.resolve(STAGES));
        } catch (IOException e) {
            throw DurableFiles.writeFailure(output, -1, e);
        }
        Optional<FolderLock> lock = FolderLock.take(output.resolve(STAGES));
        if (lock.isEmpty()) {
            throw QuernException.badInput(
                    "%s: another quern data prepare works in this folder; wait for it or choose another output_dir",
                    output);
        }
        try (FolderLock held = lock.get()) {
            return locked(plan, start, watcher);
        }
    }

    private static PrepareReport locked(PreparePlan plan, long start, Watcher watcher) {
        PrepareRecipe recipe = plan.recipe();
        Path work = recipe.outputDir().resolve(STAGES);
        List<String> keys = plan.keys();
        List<StageReport> reports = new ArrayList<>();
        try (StageRun run = new StageRun(plan, keys, work, watcher)) {
            for (int stage = 0; stage < keys.size(); stage++) {
                reports.add(run.stage(stage));
                empty(plan, reports, stage);
            }
            PrepareReport report = PreparedFolder.write(plan, keys.getLast(), reports, run, start, watcher::note);
            run.forgetOthers(recipe.keepStages());
            return report;
        }
    }

    /** Refuses to go on with nothing. */
    private static void empty(PreparePlan plan, List<StageReport> reports, int stage) {
        StageReport last = reports.get(stage);
        if (last.documentsOut() > 0) {
            return;
        }
        PreparedFolder.writeReport(plan, reports);
        if (stage == 0) {
            String why = last.quarantined().entrySet().stream()
                    .max(java.util.Map.Entry.comparingByValue())
                    .map(most -> "; most are quarantined as %s, as %s: %s"
                            .formatted(
                                    most.getKey(),
                                    last.quarantine().get(most.getKey()).stream()
                                            .findFirst()
                                            .map(StageReport.Example::place)
                                            .orElse("in " + plan.sources().size() + " files"),
                                    last.quarantine().get(most.getKey()).stream()
                                            .findFirst()
                                            .map(StageReport.Example::detail)
                                            .orElse("")))
                    .orElse("; they hold no text");
            throw QuernException.badInput(
                    "prepare.sources: no document came out of %,d records in %d files%s",
                    last.documentsIn(), plan.sources().size(), why);
        }
        throw QuernException.badInput(
                "prepare.stages: no document is left after '%s', to which %,d came (%s); loosen it: %s shows examples",
                last.type(),
                last.documentsIn(),
                last.dropped().entrySet().stream()
                        .map(reason -> reason.getKey() + " " + reason.getValue())
                        .collect(java.util.stream.Collectors.joining(", ")),
                plan.recipe().outputDir().resolve("report.html"));
    }

    /** As {@link #run(PrepareRecipe, Watcher)}, telling lines only. */
    public static PrepareReport run(PrepareRecipe recipe, Consumer<String> lines) {
        return run(recipe, new Watcher() {
            @Override
            public void note(String line) {
                lines.accept(line);
            }

            @Override
            public void progress(String stage, int index, int stages, double share, long documents) {
                // Lines tell of what is done, not of what is under way.
            }
        });
    }
}
