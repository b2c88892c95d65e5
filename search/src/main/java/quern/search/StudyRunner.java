package quern.search;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import quern.optim.OptimizerTechnique;
import quern.optim.ScheduleTechnique;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.FolderLock;
import quern.recipe.QuernException;
import quern.recipe.Recipe;
import quern.recipe.RecipeFile;
import quern.recipe.Techniques;
import quern.train.Preparation;
import quern.train.RunFolder;
import quern.train.Stages;
import quern.train.StepResult;
import quern.train.TrainingHook;
import quern.train.TrainingProgress;
import quern.train.TrainingRun;

/**
 * Trains the arms of a {@link Study} one after another in this process, and compares them.
 *
 * <p>Each run has a folder of its own, {@code <output>/<arm>/[<tuned values>/]seed-<n>}, and a tuning run {@code
 * <output>/<arm>/tuning/<values>}. Runs that have ended are taken as they are and one that was cut short goes on from its
 * checkpoint, so that the same command goes on where it was stopped; more seeds or arms may be added. A folder that
 * another recipe has made is refused.
 *
 * <p>Before the first run that is measured, a few steps of every arm are taken and thrown away, so that the first one does
 * not pay for the compiler. The order of the arms moves on by one with each seed: a drift of the machine hits all of them.
 */
public final class StudyRunner {
    private static final int WARM_STEPS = 20;
    private static final double WARM_SECONDS = 5;

    /** Hears what is being done. */
    public interface Watcher {
        /** A remark for a person. */
        void note(String text);

        /** A run begins or goes on. */
        TrainingHook begins(String label, TrainingRun run);

        /** The run that was begun last has ended. */
        void ends();
    }

    /** A run to be made. */
    private record Planned(Arm arm, String label, Path folder, Block recipe, long seed) {}

    /** Ends the work: the person asked to stop, and the run that was under way is saved. */
    private static final class Stopped extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    private final Study study;
    private final Watcher watcher;
    private final Optional<EnergyCounter> energy = EnergyCounter.find(EnergyCounter.POWERCAP);
    private final long firstSeed;
    private final List<Arm> arms = new ArrayList<>();
    private final List<Block> recipes = new ArrayList<>();
    /** Those of each arm, one for each of its stages. */
    private final List<List<Preparation>> preparations = new ArrayList<>();

    private final List<String> dataFingerprints;
    private final List<Arm> choices;
    private final List<String> warnings = new ArrayList<>();
    private final Budget budget;
    private int done;
    private boolean warm;
    private volatile boolean stopRequested;
    private volatile ArmTraining current;

    /**
     * Prepares every arm, so that whatever is wrong with one of them is said before any is trained.
     *
     * @throws QuernException bad input that names the arm
     */
    public StudyRunner(Study study, Watcher watcher) {
        this.study = study;
        this.watcher = watcher;
        this.firstSeed = Recipe.from(study.recipe()).seed();
        this.choices = study.tuning().isEmpty() ? List.of() : Axis.cross(study.tuning());
        Set<String> folders = new HashSet<>();
        for (Arm arm : study.arms()) {
            if (!folders.add(arm.folder())) {
                throw QuernException.badInput(
                        "arm '%s': its folder would be that of another arm, %s; give it another name with --arm",
                        arm.name(), arm.folder());
            }
            Arm resolved = ArmRecipe.of(study.recipe(), arm, watcher::note);
            arms.add(resolved);
            recipes.add(RecipeFile.changed(study.recipe(), resolved.settings()));
        }
        Consumer<String> notes = watcher::note;
        for (int i = 0; i < recipes.size(); i++) {
            preparations.add(prepare(arms.get(i), recipes.get(i), i == 0 ? notes : note -> {}));
        }
        dataFingerprints = preparations.stream()
                .map(all -> all.getLast().dataFingerprint())
                .toList();
        warnOfEqualRecipes();
        warnOfOtherText();
        warnOfFewEvaluations();
        this.budget = reckon();
    }

    private List<Preparation> prepare(Arm arm, Block recipe, Consumer<String> notes) {
        try {
            Block probe = choices.isEmpty()
                    ? recipe
                    : RecipeFile.changed(recipe, choices.getFirst().settings());
            if (Stages.has(probe) && study.tuneSteps().isPresent()) {
                throw QuernException.badInput(
                        "%s: stages: each has its own steps, so shorter runs for tuning are not known; leave --tune-steps out",
                        recipe.position("stages"));
            }
            List<Preparation> all = ArmTraining.prepare(probe, notes);
            for (Arm choice : choices) {
                bind(RecipeFile.changed(recipe, choice.settings()));
            }
            if (all.getLast().validation().isEmpty()) {
                throw QuernException.badInput(
                        "%s: a comparison is judged by a validation text, and none is held out; raise data.validation_share",
                        recipe.position("data"));
            }
            return all;
        } catch (QuernException e) {
            throw ArmRecipe.named(arm, e);
        }
    }

    /** Finds what would be wrong with a tuned value, without the data. */
    private static void bind(Block block) {
        Recipe recipe = Recipe.from(block);
        recipe.optimArgs()
                .bind(Techniques.find(
                                OptimizerTechnique.class,
                                OptimizerTechnique.KIND,
                                recipe.optim(),
                                block.position("optim"))
                        .config());
        recipe.lrSchedulerKwargs()
                .bind(Techniques.find(
                                ScheduleTechnique.class,
                                ScheduleTechnique.KIND,
                                recipe.lrSchedulerType(),
                                block.position("lr_scheduler_type"))
                        .config());
    }

    private void warnOfEqualRecipes() {
        for (int i = 0; i < recipes.size(); i++) {
            for (int j = 0; j < i; j++) {
                if (Recipe.from(recipes.get(i)).equals(Recipe.from(recipes.get(j)))) {
                    // Only told: when its losses are the same too, the comparison says so.
                    watcher.note("warning: arm '%s' changes nothing: its recipe is that of '%s'"
                            .formatted(arms.get(i).name(), arms.get(j).name()));
                }
            }
        }
    }

    private void warnOfOtherText() {
        for (int i = 1; i < recipes.size(); i++) {
            if (!dataFingerprints.get(i).equals(dataFingerprints.getFirst())) {
                warn("arm '%s' has other tokens than '%s': their losses are of different texts or tokenizers"
                        .formatted(arms.get(i).name(), arms.getFirst().name()));
            }
        }
    }

    private void warnOfFewEvaluations() {
        int fewest = 8;
        long evaluations = 0;
        for (Preparation stage : preparations.getFirst()) {
            int every = stage.recipe().evaluationSteps();
            evaluations += every == 0 ? 1 : (stage.maxSteps() + every - 1) / every;
        }
        if (evaluations < fewest) {
            warn("only %d evaluations a run, so steps and time to a target loss are rough; lower eval_steps"
                    .formatted(evaluations));
        }
    }

    private Budget reckon() {
        List<Long> steps = preparations.stream()
                .map(all -> all.stream().mapToLong(Preparation::maxSteps).sum())
                .toList();
        List<Long> tuning = choices.isEmpty()
                ? List.of()
                : study.tuneSteps().isPresent()
                        ? steps.stream()
                                .map(s -> (long) study.tuneSteps().getAsInt())
                                .toList()
                        : steps;
        return new Budget(choices.size(), tuning, study.seeds(), steps);
    }

    private void warn(String text) {
        warnings.add(text);
        watcher.note("warning: " + text);
    }

    /** What will be trained. */
    public Budget budget() {
        return budget;
    }

    /** Asks for a stop: the run under way is saved, and {@link #run} returns. Safe from any thread. */
    public void requestStop() {
        stopRequested = true;
        ArmTraining training = current;
        if (training != null) {
            training.requestStop();
        }
    }

    /**
     * Trains whatever is not trained yet.
     *
     * @return the comparison, which is written as {@code comparison.json} too; empty when it was stopped
     */
    public Optional<Comparison> run() {
        List<Planned> tuning = new ArrayList<>();
        for (int i = 0; i < recipes.size(); i++) {
            for (Arm choice : choices) {
                tuning.add(tuningRun(i, choice));
            }
        }
        tuning.forEach(this::requireSameRecipe);
        if (choices.isEmpty()) {
            for (int s = 0; s < study.seeds(); s++) {
                for (int i = 0; i < recipes.size(); i++) {
                    requireSameRecipe(finalRun(i, Optional.empty(), s));
                }
            }
        }
        try (FolderLock lock = lock()) {
            return Optional.of(compare(tuning));
        } catch (Stopped stopped) {
            return Optional.empty();
        }
    }

    private FolderLock lock() {
        try {
            Files.createDirectories(study.output());
        } catch (IOException e) {
            throw DurableFiles.writeFailure(study.output(), -1, e);
        }
        return FolderLock.take(study.output())
                .orElseThrow(() -> QuernException.badInput(
                        "%s: another process is comparing in this folder; wait for it, or choose another --output",
                        study.output()));
    }

    private Comparison compare(List<Planned> tuning) {
        List<List<ArmRuns.Tried>> tried = new ArrayList<>();
        List<Optional<Arm>> tuned = new ArrayList<>();
        for (int i = 0; i < recipes.size(); i++) {
            List<ArmRuns.Tried> ofArm = new ArrayList<>();
            for (int c = 0; c < choices.size(); c++) {
                Planned planned = tuning.get(i * choices.size() + c);
                ofArm.add(new ArmRuns.Tried(choices.get(c), train(planned)));
            }
            tried.add(ofArm);
            tuned.add(Tuning.best(ofArm).map(ArmRuns.Tried::choice));
            if (!choices.isEmpty()) {
                Tuning.edges(arms.get(i), study.tuning(), ofArm).forEach(this::warn);
            }
        }
        List<List<MeasuredRun>> runs = new ArrayList<>();
        recipes.forEach(r -> runs.add(new ArrayList<>()));
        for (int s = 0; s < study.seeds(); s++) {
            for (int k = 0; k < recipes.size(); k++) {
                int i = (k + s) % recipes.size();
                if (choices.isEmpty() || tuned.get(i).isPresent()) {
                    Planned planned = finalRun(i, tuned.get(i), s);
                    requireSameRecipe(planned);
                    runs.get(i).add(train(planned));
                } else {
                    done++;
                }
            }
        }
        List<ArmRuns> all = new ArrayList<>();
        for (int i = 0; i < recipes.size(); i++) {
            all.add(new ArmRuns(arms.get(i), tuned.get(i), tried.get(i), runs.get(i)));
        }
        return Comparison.of(study.title(), all, Optional.of(budget), study.targetLoss(), warnings);
    }

    private Planned tuningRun(int i, Arm choice) {
        Arm arm = arms.get(i);
        Path folder = study.output().resolve(arm.folder()).resolve("tuning").resolve(Arm.folder(choice.name()));
        Block recipe = RecipeFile.changed(recipes.get(i), choice.settings());
        if (study.tuneSteps().isPresent()) {
            recipe = recipe.without("num_train_epochs")
                    .with("max_steps", study.tuneSteps().getAsInt());
        }
        return planned(
                arm, "%s, %s".formatted(arm.name(), choice.name()), folder, recipe, firstSeed + Study.TUNING_SEED);
    }

    private Planned finalRun(int i, Optional<Arm> choice, int seed) {
        Arm arm = arms.get(i);
        Path folder = study.output().resolve(arm.folder());
        Block recipe = recipes.get(i);
        if (choice.isPresent()) {
            folder = folder.resolve(Arm.folder(choice.get().name()));
            recipe = RecipeFile.changed(recipe, choice.get().settings());
        }
        long number = firstSeed + seed;
        return planned(
                arm, "%s, seed %d".formatted(arm.name(), number), folder.resolve("seed-" + number), recipe, number);
    }

    private static Planned planned(Arm arm, String label, Path folder, Block recipe, long seed) {
        Block placed = recipe.with("output_dir", folder).with("seed", seed);
        return new Planned(arm, label, folder, placed, seed);
    }

    /** A run that another recipe has made would be compared with the wrong things. */
    private void requireSameRecipe(Planned planned) {
        Path file = planned.folder().resolve(RunFolder.RECIPE);
        if (!Files.isRegularFile(file)) {
            return;
        }
        Map<String, Object> before =
                RecipeFile.load(file, List.of()).without("output_dir").toMap();
        Map<String, Object> now = planned.recipe().without("output_dir").toMap();
        Set<String> keys = new TreeSet<>(before.keySet());
        keys.addAll(now.keySet());
        for (String key : keys) {
            if (!Objects.equals(before.get(key), now.get(key))) {
                throw QuernException.badInput(
                        "%s: this run was made by another recipe (%s was %s, now %s); choose another --output, or delete the folder",
                        planned.folder(), key, before.get(key), now.get(key));
            }
        }
    }

    private MeasuredRun train(Planned planned) {
        Path file = planned.folder().resolve(RunReport.FILE);
        int number = ++done;
        if (!Files.isRegularFile(file)) {
            warmUp();
            requireGoingOn();
            measure(planned, number);
        }
        RunReport report = SearchJson.read(file, RunReport.class);
        if (!report.data().equals(dataFingerprints.get(arms.indexOf(planned.arm())))) {
            throw QuernException.badInput(
                    "%s: this run was made on another text; choose another --output, or delete the folder",
                    planned.folder());
        }
        return measured(planned, report);
    }

    private static MeasuredRun measured(Planned planned, RunReport report) {
        boolean best = Recipe.from(planned.recipe()).loadBestModelAtEnd();
        return MeasuredRun.of(planned.seed(), planned.folder(), best, Optional.of(report));
    }

    private void requireGoingOn() {
        if (stopRequested) {
            throw new Stopped();
        }
    }

    private void measure(Planned planned, int number) {
        RunMeter meter = new RunMeter(energy);
        String label = "%s (run %d of %d)".formatted(planned.label(), number, budget.runs());
        RunReport report;
        try (ArmTraining training = ArmTraining.in(planned.folder(), planned.recipe(), watcher::note)) {
            current = training;
            if (stopRequested) {
                training.requestStop();
            }
            report = report(planned, training, label, meter);
        } finally {
            current = null;
            watcher.ends();
        }
        SearchJson.write(planned.folder().resolve(RunReport.FILE), report);
        watcher.note(outcome(label, planned, report));
    }

    private RunReport report(Planned planned, ArmTraining training, String label, RunMeter meter) {
        RunReport.Ending ending;
        String message = "";
        long step;
        try {
            TrainingRun.Outcome outcome = training.train((stage, earlier, run) -> {
                if (earlier > 0) {
                    watcher.ends();
                }
                meter.beginStage(earlier);
                run.addHook(meter);
                run.addHook(watcher.begins(
                        stage.map(name -> "%s, stage %s".formatted(label, name)).orElse(label), run));
            });
            if (outcome.ending() == TrainingRun.Ending.STOPPED) {
                throw new Stopped();
            }
            ending = outcome.ending() == TrainingRun.Ending.EARLY ? RunReport.Ending.EARLY : RunReport.Ending.DONE;
            step = outcome.steps();
        } catch (QuernException e) {
            // A full disk is refused too, but says nothing about the arm.
            if (e.exitCode() != ExitCode.REFUSED || e.getCause() instanceof IOException) {
                throw e;
            }
            ending = RunReport.Ending.DIVERGED;
            message = e.getMessage();
            step = meter.steps() + 1;
        }
        int arm = arms.indexOf(planned.arm());
        boolean isStaged = Stages.has(planned.recipe());
        return new RunReport(
                ending,
                step,
                isStaged
                        ? preparations.get(arm).stream()
                                .mapToLong(Preparation::maxSteps)
                                .sum()
                        : training.maxSteps(),
                message,
                training.parameters(),
                training.stateBytes(),
                meter.peakBytes(),
                meter.wallSeconds(),
                meter.cpuSeconds(),
                meter.joules(),
                isStaged ? dataFingerprints.get(arm) : training.data());
    }

    private static String outcome(String label, Planned planned, RunReport report) {
        if (report.ending() == RunReport.Ending.DIVERGED) {
            return "%s: diverged at step %,d of %,d".formatted(label, report.step(), report.maxSteps());
        }
        double loss = measured(planned, report).loss().orElse(Double.NaN);
        return "%s: validation loss %.4f after %,d steps, %.0f s"
                .formatted(label, loss, report.step(), report.wallSeconds());
    }

    /** Takes a few steps of every arm, once. */
    private void warmUp() {
        if (warm) {
            return;
        }
        warm = true;
        Path folder = study.output().resolve(".warm-up");
        for (int i = 0; i < recipes.size(); i++) {
            requireGoingOn();
            DurableFiles.deleteTree(folder);
            Block recipe = choices.isEmpty()
                    ? recipes.get(i)
                    : RecipeFile.changed(recipes.get(i), choices.getFirst().settings());
            try (ArmTraining training = ArmTraining.in(folder, recipe.with("output_dir", folder), note -> {})) {
                training.train((stage, earlier, run) -> run.addHook(new WarmUp(training)));
            } catch (QuernException e) {
                if (e.exitCode() != ExitCode.REFUSED || e.getCause() instanceof IOException) {
                    throw ArmRecipe.named(arms.get(i), e);
                }
                // An arm that diverges at once does so in its measured run too, and is reported there.
            }
        }
        DurableFiles.deleteTree(folder);
    }

    /** Stops a run after a few steps. */
    private static final class WarmUp implements TrainingHook {
        private final ArmTraining training;
        private final long start = System.nanoTime();

        WarmUp(ArmTraining training) {
            this.training = training;
        }

        @Override
        public void onStep(TrainingProgress progress, StepResult result) {
            if (progress.step() >= WARM_STEPS || (System.nanoTime() - start) / 1e9 > WARM_SECONDS) {
                training.requestStop();
            }
        }
    }
}
