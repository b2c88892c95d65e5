package quern.train;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;
import quern.train.Stages.Stage;

/**
 * Trainings one after the other, each from the last one's model: a recipe with {@code stages}. The run folder holds a run
 * folder for each stage, {@code stage-1-NAME}, with its checkpoints; its own {@code metrics.jsonl} has the lines of all of
 * them, with the stage's number, and with steps and tokens counted through; in the end it is a model folder, that of the last stage.
 *
 * <p>What was stopped or killed goes on with {@link #resume} in the stage that it was in, and ends with the bits of a
 * training that was never broken off: a stage without a checkpoint begins anew from the model of the one before, which is
 * grown in the same way again.
 */
public final class StagedTraining implements AutoCloseable {
    /** Hears of each stage when it begins or goes on. */
    public interface Watcher {
        /**
         * A stage is about to be trained; hooks may be added to the run.
         *
         * @param stages how many there are
         * @param earlierSteps steps of the stages before
         */
        void begins(Stage stage, int stages, long earlierSteps, TrainingRun run);
    }

    private final RunFolder folder;
    private final List<Stage> stages;
    private final Consumer<String> notes;
    private Optional<Preparation> first;
    private volatile TrainingRun current;
    private volatile boolean stopRequested;

    private StagedTraining(RunFolder folder, List<Stage> stages, Optional<Preparation> first, Consumer<String> notes) {
        this.folder = folder;
        this.stages = stages;
        this.first = first;
        this.notes = notes;
    }

    /** Whether a folder is that of a run with stages. */
    public static boolean is(Path run) {
        Path recipe = run.resolve(RunFolder.RECIPE);
        return Files.isRegularFile(recipe) && Stages.has(RecipeFile.load(recipe, List.of()));
    }

    /** Begins a run in the recipe's {@code output_dir}, or beside it when that is taken. */
    public static StagedTraining start(Block recipe, Consumer<String> notes) {
        Preparation first = Stages.prepare(recipe, notes).getFirst();
        RunFolder folder = RunFolder.create(Recipe.from(recipe).outputDir(), recipe);
        boolean done = false;
        try {
            List<Stage> stages = Stages.of(recipe, folder.path());
            // Where the name was taken, the stage lies elsewhere than it was prepared for.
            boolean asPrepared = first.recipe().outputDir().equals(folderOf(stages.getFirst()));
            StagedTraining training =
                    new StagedTraining(folder, stages, asPrepared ? Optional.of(first) : Optional.empty(), notes);
            done = true;
            return training;
        } finally {
            if (!done) {
                folder.close();
            }
        }
    }

    /**
     * Goes on with a run in the stage that it was in.
     *
     * @param overrides changes to the recipe, of the keys that may change
     */
    public static StagedTraining resume(Path run, List<String> overrides, Consumer<String> notes) {
        RunFolder folder = RunFolder.open(run);
        boolean done = false;
        try {
            Block before = folder.recipe(List.of());
            Block after = folder.recipe(overrides);
            Resumption.refuseChanges(before, after);
            refuseIneffective(before, after);
            StagedTraining training =
                    new StagedTraining(folder, Stages.of(after, folder.path()), Optional.empty(), notes);
            done = true;
            return training;
        } finally {
            if (!done) {
                folder.close();
            }
        }
    }

    private static void refuseIneffective(Block before, Block after) {
        for (String key : after.keys()) {
            boolean changed =
                    !Objects.equals(after.toMap().get(key), before.toMap().get(key));
            if (changed && after.blocks("stages").stream().allMatch(stage -> stage.has(key))) {
                throw QuernException.badInput(
                        "%s: %s: has no effect, since every stage has its own; begin a new run to change those",
                        after.position(key), key);
            }
        }
    }

    private static Path folderOf(Stage stage) {
        return Path.of(stage.recipe().text("output_dir"));
    }

    private static boolean isBegun(Stage stage) {
        return Files.isRegularFile(folderOf(stage).resolve(RunFolder.RECIPE));
    }

    /** The run folder. */
    public Path folder() {
        return folder.path();
    }

    /** Asks the training to save and return after the present step. Safe from any thread. */
    public void requestStop() {
        stopRequested = true;
        TrainingRun run = current;
        if (run != null) {
            run.requestStop();
        }
    }

    /**
     * Trains the stages that are left.
     *
     * @return steps and tokens of all stages; evaluation and best step, counted through, of the last one that was trained
     */
    public TrainingRun.Outcome train(Watcher watcher) {
        long steps = 0;
        long tokens = 0;
        TrainingRun.Outcome outcome = null;
        for (int i = 0; i < stages.size(); i++) {
            Stage stage = stages.get(i);
            if (i + 1 < stages.size() && isBegun(stages.get(i + 1))) {
                TrainerState done = Checkpoints.readState(Resumption.newest(folderOf(stage))
                        .orElseThrow(() -> QuernException.failed(
                                "%s: the stage after it was begun, but it holds no checkpoint; begin a new run",
                                folderOf(stage))));
                steps += done.step;
                tokens += done.tokens;
                continue;
            }
            try (TrainingRun run = run(stage);
                    StageMetrics metrics = new StageMetrics(stage, steps, tokens)) {
                run.addWatcher(metrics);
                watcher.begins(stage, stages.size(), steps, run);
                current = run;
                if (stopRequested) {
                    run.requestStop();
                }
                outcome = run.train();
            } finally {
                current = null;
            }
            steps += outcome.steps();
            tokens += outcome.tokens();
            if (outcome.ending() == TrainingRun.Ending.STOPPED) {
                return whole(outcome, steps, tokens);
            }
        }
        Stage last = stages.getLast();
        boolean best = Recipe.from(last.recipe()).loadBestModelAtEnd()
                && outcome.bestStep().isPresent();
        Checkpoints.publish(
                Checkpoints.folder(folderOf(last), best ? outcome.bestStep().get() : outcome.steps()), folder.path());
        return whole(outcome, steps, tokens);
    }

    private TrainingRun.Outcome whole(TrainingRun.Outcome last, long steps, long tokens) {
        return new TrainingRun.Outcome(
                folder.path(),
                last.ending(),
                steps,
                tokens,
                last.evaluation(),
                last.bestStep().map(best -> steps - last.steps() + best));
    }

    private TrainingRun run(Stage stage) {
        if (isBegun(stage)) {
            return TrainingRun.resumeStage(folderOf(stage), stage.recipe(), notes);
        }
        // A folder without a recipe was cut short at its very beginning, and would send the stage elsewhere.
        DurableFiles.deleteTree(folderOf(stage));
        Preparation preparation =
                first.filter(p -> stage.number() == 1).orElseGet(() -> Preparation.of(stage.recipe(), notes));
        first = Optional.empty();
        return TrainingRun.start(preparation);
    }

    @Override
    public void close() {
        folder.close();
    }

    /** The metrics of all stages up to the present one in one file. */
    private final class StageMetrics implements TrainingHook, AutoCloseable {
        private final Path file = folder.path().resolve(RunFolder.METRICS);
        private final int number;
        private final long earlierSteps;
        private final long earlierTokens;
        private final FileChannel channel;

        /** Writes what was measured so far; the present stage's own file has been cut to the step it goes on from. */
        StageMetrics(Stage present, long earlierSteps, long earlierTokens) {
            this.number = present.number();
            this.earlierSteps = earlierSteps;
            this.earlierTokens = earlierTokens;
            StringBuilder text = new StringBuilder();
            long steps = 0;
            long tokens = 0;
            for (Stage stage : stages.subList(0, number)) {
                for (Map<String, Double> line : MetricsLog.read(folderOf(stage))) {
                    Map<String, Double> all = throughout(stage.number(), tokens, line);
                    text.append(Json.line(
                                    MetricsLog.line(steps + line.get("step").longValue(), all)))
                            .append('\n');
                }
                Optional<TrainerState> state =
                        Resumption.newest(folderOf(stage)).map(Checkpoints::readState);
                steps += state.map(s -> s.step).orElse(0L);
                tokens += state.map(s -> s.tokens).orElse(0L);
            }
            DurableFiles.write(file, text.toString().getBytes(StandardCharsets.UTF_8));
            try {
                channel = FileChannel.open(file, StandardOpenOption.APPEND);
            } catch (IOException e) {
                throw DurableFiles.writeFailure(file, -1, e);
            }
        }

        /** A stage's values as the whole training has them: with the stage's number, and tokens counted through. */
        private static Map<String, Double> throughout(int stage, long earlierTokens, Map<String, Double> values) {
            Map<String, Double> all = new LinkedHashMap<>();
            all.put("stage", (double) stage);
            all.putAll(values);
            all.computeIfPresent(MetricsLog.TOKENS, (key, tokens) -> earlierTokens + tokens);
            return all;
        }

        @Override
        public void onMetrics(TrainingProgress progress, Map<String, Double> values) {
            Map<String, Double> all = throughout(number, earlierTokens, values);
            MetricsLog.append(channel, file, MetricsLog.line(earlierSteps + progress.step(), all));
        }

        @Override
        public void close() {
            try {
                channel.close();
            } catch (IOException e) {
                throw DurableFiles.writeFailure(file, -1, e);
            }
        }
    }
}
