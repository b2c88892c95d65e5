package quern.cli.verb;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.RecipeArguments;
import quern.cli.Verb;
import quern.cli.internal.DistillationDisplay;
import quern.cli.internal.SmallSetReport;
import quern.cli.internal.StopSignals;
import quern.cli.internal.StudyRun;
import quern.curate.SmallSetRecipe;
import quern.curate.SmallSets;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.search.Arm;
import quern.search.ComparisonPages;
import quern.search.Study;

/** {@code quern data distill}: learns a small set of rows, and measures it against others of its size. */
@Command(
        name = "distill",
        description = {
            "Learn a few rows that stand for a text, and say what they are worth beside random rows and core sets.",
            "The recipe is one of quern train with a block 'dataset_distillation'. The rows are learnt into",
            "OUTPUT_DIR/learnt; the core sets of 'against' are chosen beside them; then a model is trained on each, with the",
            "same steps from the same seeds, and judged by the held-out text. The same command goes on where it was stopped.",
            "Without a method no rows are learnt, and core sets are measured against each other.",
            "A recipe of quern train learns from a set by objective: {type: small_set, path: OUTPUT_DIR/learnt}.",
            "",
            "  quern data distill recipes/dataset_distillation.yaml",
            "  quern data distill recipe.yaml dataset_distillation.rows=32 --seeds 5",
            ""
        })
public final class DataDistill implements Verb {
    private static final String REPORT = "small_sets.json";

    @Mixin
    private RecipeArguments recipe;

    @Option(
            names = "--seeds",
            paramLabel = "N",
            description = "Trainings on each set: the recipe's seed and those after it (3).")
    private int seeds = 3;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        Block block = RecipeFile.load(
                recipe.recipe()
                        .orElseThrow(
                                () -> QuernException.badInput(
                                        "no recipe is named; expected a file with a block 'dataset_distillation', as in recipes/dataset_distillation.yaml")),
                recipe.overrides());
        StudyRun study = new StudyRun(spec.commandLine().getOut(), json.wanted());
        Optional<SmallSets.Made> made;
        try (DistillationDisplay display = new DistillationDisplay();
                StopSignals signals = StopSignals.first(display::requestStop)) {
            made = SmallSets.make(block, display);
        }
        if (made.isEmpty()) {
            study.note("Stopped; everything is saved. The same command goes on.");
            return ExitCode.STOPPED;
        }
        SmallSets.Made sets = made.get();
        List<Arm> arms = sets.arms().stream()
                .map(arm -> new Arm(arm.name(), arm.settings()))
                .toList();
        Study comparison = new Study(
                "Small sets of " + StudyRun.name(recipe),
                sets.training(),
                arms,
                seeds,
                List.of(),
                OptionalInt.empty(),
                OptionalDouble.empty(),
                sets.folder().resolve(SmallSetRecipe.COMPARISON));
        return study.run(comparison, done -> {
            SmallSetReport report = SmallSetReport.of(sets.rows(), done);
            Path page = ComparisonPages.write(done, comparison.output());
            JsonOption.write(sets.folder().resolve(REPORT), report);
            return new StudyRun.Report(report, report.lines(), done, page);
        });
    }
}
