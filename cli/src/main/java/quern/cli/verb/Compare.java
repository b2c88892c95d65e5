package quern.cli.verb;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.RecipeArguments;
import quern.cli.Verb;
import quern.cli.internal.StudyRun;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.search.Arm;
import quern.search.Axis;
import quern.search.Comparison;
import quern.search.ComparisonPages;
import quern.search.FinishedRuns;
import quern.search.Study;

/** {@code quern compare}: what a setting is worth, by training with and without it. */
@Command(
        name = "compare",
        description = {
            "Train the arms of a comparison on paired seeds and say what their difference is worth.",
            "Every arm sees the same data in the same order from the same first weights. The first arm is the baseline. The",
            "same command goes on where it was stopped; more seeds and arms may be added. With run folders instead of a",
            "recipe, those are compared; runs whose recipes differ in the seed alone are one arm.",
            "",
            "  quern compare recipe.yaml --vary optim=adamw,lion --seeds 5 --tune learning_rate=1e-4..1e-2:5",
            "  quern compare recipe.yaml --vary 'optim=adamw,{optim: lion, optim_args: {fused: false}}'",
            "  quern compare recipe.yaml --arm 'plain: {}' --arm 'smooth: {label_smoothing_factor: 0.1}'",
            "  quern compare runs/first runs/second",
            ""
        })
public final class Compare implements Verb {
    @Mixin
    private RecipeArguments recipe;

    @Option(
            names = "--vary",
            paramLabel = "KEY=A,B…",
            description = {
                "An arm for each value. Given several times, the keys cross. a..b:n is n values at equal ratios. A value in",
                "braces that repeats the key holds several settings."
            })
    private List<String> vary = new ArrayList<>();

    @Option(
            names = "--arm",
            paramLabel = "'NAME: {KEY: VALUE…}'",
            description = "An arm with a name and any settings; given once for each arm.")
    private List<String> arms = new ArrayList<>();

    @Mixin
    private StudyArguments study;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        List<Path> paths = recipe.paths();
        if (!paths.isEmpty() && paths.stream().allMatch(Files::isDirectory)) {
            return finished(paths);
        }
        String name = StudyRun.name(recipe);
        List<Axis> axes =
                new ArrayList<>(vary.stream().map(v -> Axis.vary(v, "--vary")).toList());
        if (!arms.isEmpty()) {
            axes.add(Axis.named(arms));
        }
        Study made = new Study(
                "Comparison on " + name,
                Train.load(recipe),
                axes.isEmpty() ? List.of(new Arm(name, List.of())) : Axis.cross(axes),
                study.seeds(),
                study.tuning(),
                study.tuneSteps(),
                study.targetLoss(),
                study.output("compare-" + name));
        return new StudyRun(spec.commandLine().getOut(), json.wanted())
                .run(made, done -> StudyRun.Report.of(done, ComparisonPages.write(done, made.output())));
    }

    private ExitCode finished(List<Path> folders) {
        if (!vary.isEmpty()
                || !arms.isEmpty()
                || !study.tuning().isEmpty()
                || !recipe.overrides().isEmpty()) {
            throw QuernException.badInput(
                    "finished runs are compared as they are; leave out --vary, --arm, --tune and KEY=VALUE, or name a recipe");
        }
        Comparison comparison = FinishedRuns.compare(folders, study.targetLoss());
        Path folder = study.output("compare-finished");
        new StudyRun(spec.commandLine().getOut(), json.wanted())
                .print(StudyRun.Report.of(comparison, ComparisonPages.write(comparison, folder)));
        return ExitCode.DONE;
    }
}
