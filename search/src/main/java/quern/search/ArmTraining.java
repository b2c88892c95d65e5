package quern.search;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.train.Preparation;
import quern.train.RunFolder;
import quern.train.StagedTraining;
import quern.train.Stages;
import quern.train.TrainingHook;
import quern.train.TrainingProgress;
import quern.train.TrainingRun;

/** A training of a comparison, of one stage or several; begun anew, or gone on with where it was cut short. */
final class ArmTraining implements AutoCloseable {
    /** Hears of each stage before it is trained. */
    interface Watcher {
        /**
         * A run begins or goes on; hooks may be added to it.
         *
         * @param stage its name; empty where there are no stages
         * @param earlierSteps steps of the stages before
         */
        void begins(Optional<String> stage, long earlierSteps, TrainingRun run);
    }

    private final Optional<TrainingRun> run;
    private final Optional<StagedTraining> staged;
    private long parameters;
    private long stateBytes;
    private long maxSteps;
    private String data = "";

    private ArmTraining(Optional<TrainingRun> run, Optional<StagedTraining> staged) {
        this.run = run;
        this.staged = staged;
    }

    /** A training of a recipe in a folder; one that is there goes on. */
    static ArmTraining in(Path folder, Block recipe, Consumer<String> notes) {
        boolean begun = Files.isRegularFile(folder.resolve(RunFolder.RECIPE));
        if (!begun) {
            // A folder without a recipe was cut short at its very beginning, and would send the run elsewhere.
            DurableFiles.deleteTree(folder);
        }
        if (Stages.has(recipe)) {
            return new ArmTraining(
                    Optional.empty(),
                    Optional.of(
                            begun
                                    ? StagedTraining.resume(folder, List.of(), notes)
                                    : StagedTraining.start(recipe, note -> {})));
        }
        return new ArmTraining(
                Optional.of(
                        begun ? TrainingRun.resume(folder, List.of(), notes) : TrainingRun.start(recipe, note -> {})),
                Optional.empty());
    }

    /** All stages of a recipe, each as far as it can be prepared before the others are trained; one where it has none. */
    static List<Preparation> prepare(Block recipe, Consumer<String> notes) {
        return Stages.has(recipe) ? Stages.prepare(recipe, notes) : List.of(Preparation.of(recipe, notes));
    }

    /** Trains to the end. */
    TrainingRun.Outcome train(Watcher watcher) {
        if (run.isPresent()) {
            begins(watcher, Optional.empty(), 0, run.get());
            return run.get().train();
        }
        return staged.orElseThrow()
                .train((stage, stages, earlier, ofStage) ->
                        begins(watcher, Optional.of(stage.name()), earlier, ofStage));
    }

    private void begins(Watcher watcher, Optional<String> stage, long earlierSteps, TrainingRun begun) {
        parameters = begun.model().parameterCount();
        maxSteps = earlierSteps + begun.preparation().maxSteps();
        data = begun.preparation().dataFingerprint();
        stateBytes = begun.optimizerBytes();
        begun.addHook(new TrainingHook() {
            @Override
            public void onEnd(TrainingProgress progress) {
                stateBytes = begun.optimizerBytes();
            }
        });
        watcher.begins(stage, earlierSteps, begun);
    }

    /** Asks for a stop. Safe from any thread. */
    void requestStop() {
        run.ifPresent(TrainingRun::requestStop);
        staged.ifPresent(StagedTraining::requestStop);
    }

    /** Weights of the model that is trained, that of the last stage in the end. */
    long parameters() {
        return parameters;
    }

    /** Steps until the end of the stage that is trained, those of the stages before included. */
    long maxSteps() {
        return maxSteps;
    }

    /** Bytes of its optimizer. */
    long stateBytes() {
        return stateBytes;
    }

    /** The fingerprint of its tokens. */
    String data() {
        return data;
    }

    @Override
    public void close() {
        run.ifPresent(TrainingRun::close);
        staged.ifPresent(StagedTraining::close);
    }
}
