package quern.cli.verb;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import picocli.CommandLine.Option;
import quern.search.Axis;

/** The options that the verbs about several trainings share, as a picocli mixin. */
final class StudyArguments {
    @Option(
            names = "--seeds",
            paramLabel = "N",
            description = "Runs of each arm: the recipe's seed and those after it (3).")
    private int seeds = 3;

    @Option(
            names = "--tune",
            paramLabel = "KEY=A..B:N",
            description = {
                "Values tried for every arm before its seeds are run, with one seed of their own; the best validation loss",
                "decides. Given several times, the keys cross."
            })
    private List<String> tune = new ArrayList<>();

    @Option(names = "--tune-steps", paramLabel = "N", description = "Steps of a tuning run; the recipe's unless given.")
    private Optional<Integer> tuneSteps = Optional.empty();

    @Option(
            names = "--target-loss",
            paramLabel = "LOSS",
            description = "Tell steps and time to this validation loss; else to the baseline's highest final loss.")
    private Optional<Double> targetLoss = Optional.empty();

    @Option(
            names = "--output",
            paramLabel = "DIR",
            description = "The folder of runs and pages; one below runs/ unless given.")
    private Optional<Path> output = Optional.empty();

    int seeds() {
        return seeds;
    }

    List<Axis> tuning() {
        return tune.stream().map(t -> Axis.vary(t, "--tune")).toList();
    }

    OptionalInt tuneSteps() {
        return tuneSteps.map(OptionalInt::of).orElseGet(OptionalInt::empty);
    }

    OptionalDouble targetLoss() {
        return targetLoss.map(OptionalDouble::of).orElseGet(OptionalDouble::empty);
    }

    /** The folder that was named, or one below {@code runs}. */
    Path output(String name) {
        return output.orElse(Path.of("runs", name));
    }
}
