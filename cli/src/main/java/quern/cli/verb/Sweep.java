package quern.cli.verb;

import java.util.List;
import java.util.Optional;
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
import quern.search.SweepResult;

/** {@code quern sweep}: one key over a range of values. */
@Command(
        name = "sweep",
        description = {
            "Train with each value of a key and name the best.",
            "Batch sizes are swept at equal tokens, with the learning rate scaled by a rule; the recipe's own batch, steps",
            "and rate say where from. The same command goes on where it was stopped.",
            "",
            "  quern sweep recipe.yaml --over per_device_train_batch_size=4..64:5 --scale-rate sqrt --seeds 3",
            "  quern sweep recipe.yaml --over learning_rate=1e-4..1e-2:7",
            ""
        })
public final class Sweep implements Verb {
    @Mixin
    private RecipeArguments recipe;

    @Option(
            names = "--over",
            required = true,
            paramLabel = "KEY=A,B…",
            description =
                    "The key and its values; a..b:n is n values at equal ratios. The first value is the baseline.")
    private String over;

    @Option(
            names = "--scale-rate",
            paramLabel = "RULE",
            description = "How the learning rate follows the batch: sqrt (unless given), linear or none.")
    private Optional<quern.search.Sweep.RateRule> scaleRate = Optional.empty();

    @Mixin
    private StudyArguments study;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        String name = StudyRun.name(recipe);
        quern.search.Sweep sweep = quern.search.Sweep.of(
                "Sweep on " + name,
                Train.load(recipe),
                over,
                scaleRate,
                study.seeds(),
                study.tuning(),
                study.tuneSteps(),
                study.targetLoss(),
                study.output("sweep-" + name));
        return new StudyRun(spec.commandLine().getOut(), json.wanted()).run(sweep.study(), comparison -> {
            SweepResult result = SweepResult.of(sweep, comparison);
            return new StudyRun.Report(
                    result,
                    List.of(result.verdict()),
                    comparison,
                    result.write(sweep.study().output()));
        });
    }
}
