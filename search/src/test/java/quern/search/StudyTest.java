package quern.search;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.train.StepResult;
import quern.train.TrainingHook;
import quern.train.TrainingProgress;
import quern.train.TrainingRun;

/** Comparisons of a model with a thousand weights, really trained. */
class StudyTest {
    @TempDir
    Path folder;

    private Path text;

    @BeforeEach
    void write() throws IOException {
        String[] words = {"the", "miller", "ground", "her", "corn", "at", "dawn", "and", "sang", "while", "stone"};
        SplittableRandom random = new SplittableRandom(5);
        StringBuilder all = new StringBuilder();
        for (int i = 0; i < 300; i++) {
            all.append(words[random.nextInt(words.length)]).append(i % 9 == 8 ? '\n' : ' ');
        }
        text = folder.resolve("text.txt");
        Files.writeString(text, all);
    }

    private Block recipe(String... overrides) {
        return RecipeFile.load("tiny.yaml", """
                seed: 3
                model: {family: gpt2, n_layer: 1, n_head: 2, n_embd: 8, n_positions: 16, dropout: 0.1}
                tokenizer: char
                data: {path: %s, validation_share: 0.1, max_length: 16}
                learning_rate: 1e-2
                weight_decay: 0.1
                adam_beta2: 0.99
                optim_args: {fused: true}
                per_device_train_batch_size: 4
                max_steps: 12
                logging_steps: 2
                eval_steps: 2
                save_steps: 0
                tensorboard: false
                threads: 1
                """.formatted(text), List.of(overrides));
    }

    private Study study(Block recipe, int seeds, List<Axis> tuning, Path output, String... vary) {
        return new Study(
                "test",
                recipe,
                Axis.cross(Stream.of(vary).map(v -> Axis.vary(v, "--vary")).toList()),
                seeds,
                tuning,
                OptionalInt.empty(),
                OptionalDouble.empty(),
                output);
    }

    /** Keeps what it hears, and asks for a stop at a step of a run. */
    private static final class Ear implements StudyRunner.Watcher {
        final List<String> notes = new ArrayList<>();
        final List<String> begun = new ArrayList<>();
        private StudyRunner runner;
        private int stopRun = -1;
        private long stopStep;

        @Override
        public void note(String text) {
            notes.add(text);
        }

        @Override
        public TrainingHook begins(String label, TrainingRun run) {
            begun.add(label.replaceFirst(" \\(run .*", "") + (run.step() > 0 ? " from step " + run.step() : ""));
            int number = begun.size();
            return new TrainingHook() {
                @Override
                public void onStep(TrainingProgress progress, StepResult result) {
                    if (number == stopRun && progress.step() == stopStep) {
                        runner.requestStop();
                    }
                }
            };
        }

        @Override
        public void ends() {}
    }

    private static Comparison run(Study study, Ear ear) {
        return new StudyRunner(study, ear).run().orElseThrow();
    }

    @Test
    void stoppedAndGoneOnWithItEndsAsIfLeftAlone() {
        Study left = study(recipe(), 2, List.of(), folder.resolve("left"), "optim=adamw,sgd");
        Ear ear = new Ear();
        Comparison whole = run(left, ear);
        assertEquals(
                List.of("adamw, seed 3", "sgd, seed 3", "sgd, seed 4", "adamw, seed 4"),
                ear.begun,
                "the order moves on by one with each seed");
        assertTrue(
                ear.notes.contains(
                        "arm 'sgd' leaves out optim_args, adam_beta2, which the recipe sets for what this arm does not use"),
                ear.notes.toString());

        assertEquals(
                List.of("optim_args=null", "adam_beta2=null", "optim=sgd"),
                whole.arms().get(1).settings());

        Study cut = study(recipe(), 2, List.of(), folder.resolve("cut"), "optim=adamw,sgd");
        Ear stopping = new Ear();
        StudyRunner runner = new StudyRunner(cut, stopping);
        stopping.runner = runner;
        stopping.stopRun = 2;
        stopping.stopStep = 7;
        assertEquals(Optional.empty(), runner.run());
        assertEquals(2, stopping.begun.size());
        Ear resumed = new Ear();
        Comparison rest = run(cut, resumed);
        assertEquals(List.of("sgd, seed 3 from step 7", "sgd, seed 4", "adamw, seed 4"), resumed.begun);
        assertEquals(losses(whole), losses(rest), "to the last bit");
        assertEquals(4, losses(whole).stream().distinct().count(), "seeds and arms differ");

        Ear again = new Ear();
        assertEquals(losses(whole), losses(run(cut, again)));
        assertEquals(List.of(), again.begun, "nothing is trained twice");
        Ear more = new Ear();
        run(study(recipe(), 3, List.of(), folder.resolve("cut"), "optim=adamw,sgd"), more);
        assertEquals(List.of("adamw, seed 5", "sgd, seed 5"), more.begun, "more seeds may be added");
        assertFalse(Files.exists(folder.resolve("cut/.warm-up")));
    }

    private static List<Double> losses(Comparison comparison) {
        return comparison.arms().stream()
                .flatMap(a -> a.runs().stream())
                .map(r -> r.loss().orElseThrow())
                .toList();
    }

    private static final String STAGES =
            "stages=[{name: small, max_steps: 4}, {name: deep, model: {n_layer: 2}, grow: stack, max_steps: 6}]";

    /** Growing against not growing, stopped in the second stage and gone on with. */
    @Test
    void stagesAreComparedWithATrainingOfOne() {
        List<Arm> arms = List.of(
                new Arm("grown", List.of(STAGES)), new Arm("whole", List.of("model.n_layer=2", "max_steps=10")));
        Study left = new Study(
                "test",
                recipe(),
                arms,
                1,
                List.of(),
                OptionalInt.empty(),
                OptionalDouble.empty(),
                folder.resolve("left"));
        Ear ear = new Ear();
        Comparison c = run(left, ear);
        assertEquals(
                List.of("grown, seed 3", "grown, seed 3", "whole, seed 3"),
                ear.begun.stream()
                        .map(label -> label.replaceFirst(", stage .*", ""))
                        .toList());
        RunReport grown = c.runs().get(0).runs().getFirst().report().orElseThrow();
        RunReport whole = c.runs().get(1).runs().getFirst().report().orElseThrow();
        assertEquals(10, grown.step());
        assertEquals(10, grown.maxSteps());
        assertEquals(whole.parameters(), grown.parameters(), "of the last stage's model");
        assertEquals(whole.stateBytes(), grown.stateBytes());
        List<Double> steps = c.runs().get(0).runs().getFirst().curve().validation().stream()
                .map(LossCurve.Point::step)
                .toList();
        assertEquals(List.of(2.0, 4.0, 6.0, 8.0, 10.0), steps);

        Study cut = new Study(
                "test",
                recipe(),
                arms,
                1,
                List.of(),
                OptionalInt.empty(),
                OptionalDouble.empty(),
                folder.resolve("cut"));
        Ear stopping = new Ear();
        StudyRunner runner = new StudyRunner(cut, stopping);
        stopping.runner = runner;
        stopping.stopRun = 2;
        stopping.stopStep = 3;
        assertEquals(Optional.empty(), runner.run());
        Ear resumed = new Ear();
        assertEquals(losses(c), losses(run(cut, resumed)), "to the last bit");
        assertEquals(2, resumed.begun.size());
        assertTrue(resumed.begun.getFirst().endsWith(" from step 3"), resumed.begun.toString());
        List<Double> curve = LossCurve.ofLastStage(folder.resolve("cut/grown/seed-3")).validation().stream()
                .map(LossCurve.Point::step)
                .toList();
        assertEquals(List.of(6.0, 8.0, 10.0), curve);
    }

    @Test
    void armsOfOneSeedBeginWithTheSameWeightsAndData() {
        Study study = study(recipe(), 1, List.of(), folder.resolve("same"), "learning_rate=1e-3,1e-2");
        Comparison c = run(study, new Ear());
        double[] first = c.runs().stream()
                .mapToDouble(a -> TrainingRun.metrics(a.runs().getFirst().folder())
                        .getFirst()
                        .get("loss"))
                .toArray();
        Study early = study(
                recipe("logging_steps=1", "max_steps=1"),
                1,
                List.of(),
                folder.resolve("early"),
                "learning_rate=1e-3,1e-2");
        double[] ofStepOne = run(early, new Ear()).runs().stream()
                .mapToDouble(
                        a -> a.runs().getFirst().curve().training().getFirst().loss())
                .toArray();
        assertEquals(ofStepOne[0], ofStepOne[1], "the loss before any update");
        assertTrue(first[0] != first[1]);
    }

    @Test
    void divergenceAndArmsThatChangeNothingAreResults() {
        Block recipe = recipe("max_grad_norm=0", "lr_scheduler_type=constant");
        List<Arm> arms = List.of(
                new Arm("base", List.of()),
                new Arm("wild", List.of("learning_rate=1e30")),
                new Arm("same", List.of("{adam_beta1: 0.9}")));
        Ear ear = new Ear();
        Study study = new Study(
                "test", recipe, arms, 2, List.of(), OptionalInt.empty(), OptionalDouble.empty(), folder.resolve("bad"));
        Comparison c = run(study, ear);
        ArmResult wild = c.arms().get(1);
        assertTrue(wild.loss().isEmpty());
        assertTrue(wild.verdict().startsWith("wild diverged in all 2 runs (at step "), wild.verdict());
        assertFalse(wild.runs().getFirst().message().isBlank());
        assertEquals(
                "same changed nothing: its losses are those of base to the last bit",
                c.arms().get(2).verdict());
        assertTrue(ear.notes.contains("warning: arm 'same' changes nothing: its recipe is that of 'base'"));
        Ear again = new Ear();
        run(study, again);
        assertEquals(List.of(), again.begun, "a diverged run is not tried again");
    }

    @Test
    void everyArmIsTunedWithTheSameBudgetAndJudgedWithItsBestValue() {
        Axis rates = Axis.vary("learning_rate=1e-5,3e-2,1e30", "--tune");
        Study study = new Study(
                "test",
                recipe("max_grad_norm=0"),
                Axis.vary("optim=adamw,adam", "--vary").arms(),
                2,
                List.of(rates),
                OptionalInt.of(6),
                OptionalDouble.empty(),
                folder.resolve("tuned"));
        Ear ear = new Ear();
        StudyRunner runner = new StudyRunner(study, ear);
        assertEquals(3, runner.budget().tuningRuns());
        assertEquals(2 * 3 * 6 + 2 * 2 * 12, runner.budget().totalSteps());
        Comparison c = runner.run().orElseThrow();
        for (ArmResult arm : c.arms()) {
            assertEquals(Optional.of("learning_rate=3e-2"), arm.tuned());
            assertEquals(3, arm.tuning().size());
            assertTrue(arm.tuning().get(2).divergedAt().isPresent());
        }
        Path tuning = folder.resolve("tuned/adamw/tuning/learning_rate=3e-2");
        Block made = RecipeFile.load(tuning.resolve("recipe.yaml"), List.of());
        assertEquals(6L, made.toMap().get("max_steps"));
        assertEquals(1003L, made.toMap().get("seed"), "no seed that is judged");
        assertTrue(Files.isDirectory(folder.resolve("tuned/adam/learning_rate=3e-2/seed-4")));
        assertTrue(
                c.warnings().stream().noneMatch(w -> w.contains("edge")),
                c.warnings().toString());
    }

    @Test
    void finishedRunsAreComparedAndSeedsOfOneRecipeAreOneArm() {
        Study study = study(recipe(), 2, List.of(), folder.resolve("made"), "learning_rate=1e-3,1e-2");
        Comparison made = run(study, new Ear());
        List<Path> folders = made.arms().stream()
                .flatMap(a -> a.runs().stream())
                .map(r -> Path.of(r.folder()))
                .toList();
        Comparison read = FinishedRuns.compare(folders, OptionalDouble.empty());
        assertEquals(
                List.of("learning_rate=0.001", "learning_rate=0.01"),
                read.arms().stream().map(ArmResult::name).toList());
        assertEquals(losses(made), losses(read));
        assertEquals(made.arms().get(1).difference(), read.arms().get(1).difference());
        assertBad(
                "differ in the seed alone", () -> FinishedRuns.compare(folders.subList(0, 2), OptionalDouble.empty()));
        assertBad("expected a run folder", () -> FinishedRuns.compare(List.of(folder), OptionalDouble.empty()));
    }

    @Test
    void batchesAreSweptAtEqualTokens() throws IOException {
        Sweep sweep = Sweep.of(
                "test",
                recipe("max_steps=16", "warmup_steps=4"),
                "per_device_train_batch_size=2,4,8",
                Optional.of(Sweep.RateRule.SQRT),
                2,
                List.of(),
                OptionalInt.empty(),
                OptionalDouble.empty(),
                folder.resolve("sweep"));
        SweepResult result = SweepResult.of(sweep, run(sweep.study(), new Ear()));
        assertEquals(
                List.of("batch 2", "batch 4", "batch 8"),
                result.rows().stream().map(SweepResult.Row::arm).toList());
        assertEquals(
                List.of(32.0, 16.0, 8.0),
                result.rows().stream().map(r -> r.steps().orElseThrow()).toList());
        assertEquals(
                1,
                result.rows().stream()
                        .map(r -> r.tokens().orElseThrow())
                        .distinct()
                        .count());
        // A rate is written with four digits: sqrt(1/2) and sqrt(2) times 0.01.
        assertEquals(
                List.of(7.071e-3, 1e-2, 0.01414),
                result.rows().stream().map(r -> r.learningRate().orElseThrow()).toList());
        assertTrue(result.verdict().startsWith("best: batch "), result.verdict());
        Path html = result.write(folder.resolve("sweep"));
        assertTrue(Files.readString(html).contains("square root of the batch"));
        assertTrue(Files.exists(folder.resolve("sweep/loss-by-tokens-light.png")));
        assertTrue(Files.exists(folder.resolve("sweep/final-loss-dark.png")));
        assertTrue(Files.readString(folder.resolve("sweep/sweep.json")).contains("\"best\" : \"batch "));
    }

    @Test
    void aRuleWithoutABatchIsRefused() {
        assertBad("--scale-rate: has no effect on weight_decay", () -> sweep("weight_decay=0,1", List.of()));
        assertBad(
                "--scale-rate: has no effect beside --tune learning_rate",
                () -> sweep(
                        "per_device_train_batch_size=2,4", List.of(Axis.vary("learning_rate=1e-3,1e-2", "--tune"))));
        assertBad("found '2.5'", () -> sweep("per_device_train_batch_size=2.5,4", List.of()));
        assertBad("expected 1 or more", () -> sweep("gradient_accumulation_steps=0,4", List.of()));
    }

    private Sweep sweep(String over, List<Axis> tuning) {
        return Sweep.of(
                "test",
                recipe(),
                over,
                Optional.of(Sweep.RateRule.LINEAR),
                1,
                tuning,
                OptionalInt.empty(),
                OptionalDouble.empty(),
                folder.resolve("none"));
    }

    /** All of it is said before any run is begun. */
    @Test
    void whatIsWrongWithAnArmIsSaidBeforeTraining() {
        assertBad("arm 'lr=1': command line: lr=1", () -> prepare(recipe(), List.of(), "lr=1,2"));
        assertBad("did you mean 'learning_rate'", () -> prepare(recipe(), List.of(), "learning_rte=1,2"));
        assertBad("arm 'adamx'", () -> prepare(recipe(), List.of(), "optim=adamw,adamx"));
        assertBad("did you mean 'adamw'", () -> prepare(recipe(), List.of(), "optim=adamw,adamww"));
        assertBad("expected a number", () -> prepare(recipe(), List.of(), "learning_rate=1e-3,fast"));
        assertBad(
                "raise data.validation_share", () -> prepare(recipe("data.validation_share=0"), List.of(), "seed=1,2"));
        Axis rates = Axis.vary("learning_rate=1e-3,-1", "--tune");
        assertBad("learning_rate=-1", () -> prepare(recipe(), List.of(rates), "optim=adamw,adam"));
        Axis own = Axis.vary("optim_args.fusd=true,false", "--tune");
        assertBad("fusd", () -> prepare(recipe(), List.of(own), "optim=adamw,adam"));
        assertBad("two arms or more", () -> prepare(recipe(), List.of(), "optim=adamw"));
        assertFalse(Files.exists(folder.resolve("none")), "nothing was begun");
    }

    private void prepare(Block recipe, List<Axis> tuning, String vary) {
        new StudyRunner(study(recipe, 1, tuning, folder.resolve("none"), vary), new Ear());
    }

    @Test
    void aFolderOfAnotherComparisonIsRefused() throws IOException {
        Path output = folder.resolve("kept");
        Study study = study(recipe("max_steps=2"), 1, List.of(), output, "optim=adamw,adam");
        run(study, new Ear());
        Study other = study(recipe("max_steps=3"), 1, List.of(), output, "optim=adamw,adam");
        assertBad("max_steps was 2, now 3", () -> run(other, new Ear()));
        Files.writeString(text, "an other text, of the same letters: the miller sang at dawn\n".repeat(30));
        assertBad("made on another text", () -> run(study, new Ear()));
    }

    private static void assertBad(String part, org.junit.jupiter.api.function.Executable action) {
        QuernException e = assertThrows(QuernException.class, action);
        assertEquals(ExitCode.BAD_INPUT, e.exitCode(), e.getMessage());
        assertTrue(e.getMessage().contains(part), e.getMessage());
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
    }
}
