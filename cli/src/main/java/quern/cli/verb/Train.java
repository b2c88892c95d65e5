package quern.cli.verb;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.RecipeArguments;
import quern.cli.Terminal;
import quern.cli.TextPlot;
import quern.cli.Verb;
import quern.cli.internal.StopSignals;
import quern.cli.internal.TrainingDisplay;
import quern.evaluate.plot.CurvePng;
import quern.evaluate.plot.Series;
import quern.models.ModelSpec;
import quern.models.Task;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.train.StagedTraining;
import quern.train.Stages;
import quern.train.TrainingRun;

/** {@code quern train}: trains the model of a recipe, or goes on with a run. */
@Command(
        name = "train",
        description = {
            "Train a model from a recipe.",
            "Without a recipe, a small model on tales that Quern generates itself. Ctrl-C saves and stops; a second one",
            "stops at once. A run goes on with --resume."
        })
public final class Train implements Verb {
    /** The recipe that stands in for one. */
    static final String DEFAULT_RECIPE = "default.yaml";

    private static final int PLOT_ROWS = 12;

    @Mixin
    private RecipeArguments recipe;

    @Option(
            names = "--resume",
            paramLabel = "RUN",
            description = "Go on with this run, or from this checkpoint, instead of beginning one.")
    private Path resume;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /** What {@code --json} prints. */
    record Result(
            String run,
            String ending,
            long steps,
            long tokens,
            Map<String, Double> evaluation,
            Optional<Long> bestStep,
            String lossCurve) {}

    @Override
    public ExitCode run() {
        if (resume != null && recipe.recipe().isPresent()) {
            throw QuernException.badInput(
                    "--resume takes the recipe from the run; leave '%s' out, and give changes as KEY=VALUE",
                    recipe.recipe().get());
        }
        Terminal terminal = json.wanted() ? Terminal.stderr() : Terminal.stdout();
        TrainingDisplay display = new TrainingDisplay(terminal);
        Block asked = resume == null ? load(recipe) : null;
        if (asked == null ? StagedTraining.is(resume) : Stages.has(asked)) {
            return staged(asked, display, terminal);
        }
        try (display;
                TrainingRun run = resume == null
                        ? TrainingRun.start(asked, display::note)
                        : TrainingRun.resume(resume, recipe.overrides(), display::note)) {
            display.show(run);
            run.addWatcher(display);
            TrainingRun.Outcome outcome;
            try (StopSignals signals = StopSignals.first(() -> {
                display.note("stopping after this step and saving; press Ctrl-C again to stop at once");
                run.requestStop();
            })) {
                outcome = run.train();
            }
            display.close();
            report("of %,d".formatted(run.preparation().maxSteps()), outcome, display, terminal);
            return exitCode(outcome);
        }
    }

    private static ExitCode exitCode(TrainingRun.Outcome outcome) {
        return outcome.ending() == TrainingRun.Ending.STOPPED ? ExitCode.STOPPED : ExitCode.DONE;
    }

    /** @param asked null to resume */
    private ExitCode staged(Block asked, TrainingDisplay display, Terminal terminal) {
        try (display;
                StagedTraining training = asked == null
                        ? StagedTraining.resume(resume, recipe.overrides(), display::note)
                        : StagedTraining.start(asked, display::note)) {
            String[] present = {""};
            TrainingRun.Outcome outcome;
            try (StopSignals signals = StopSignals.first(() -> {
                display.note("stopping after this step and saving; press Ctrl-C again to stop at once");
                training.requestStop();
            })) {
                outcome = training.train((stage, stages, earlier, run) -> {
                    present[0] = "in stage %d of %d, %s".formatted(stage.number(), stages, stage.name());
                    display.beginStage(stage, stages, earlier);
                    display.show(run);
                    run.addWatcher(display);
                });
            }
            display.close();
            report(present[0], outcome, display, terminal);
            return exitCode(outcome);
        }
    }

    /** The recipe that was named, or the embedded default. */
    static Block load(RecipeArguments arguments) {
        if (arguments.recipe().isPresent()) {
            return RecipeFile.load(arguments.recipe().get(), arguments.overrides());
        }
        try (InputStream in = Train.class.getResourceAsStream("/recipes/" + DEFAULT_RECIPE)) {
            String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return RecipeFile.load("the default recipe (" + DEFAULT_RECIPE + ")", text, arguments.overrides());
        } catch (IOException e) {
            throw new IllegalStateException("the default recipe is not in this build", e);
        }
    }

    /** @param where a stopped training stands, behind its step */
    private void report(String where, TrainingRun.Outcome outcome, TrainingDisplay display, Terminal terminal) {
        Path png = outcome.folder().resolve("loss.png");
        List<Series> series = display.series();
        boolean drawn = series.stream().anyMatch(s -> s.x().length > 1);
        if (drawn) {
            CurvePng.write(png, outcome.folder().getFileName().toString(), "step", "loss", series);
        }
        if (json.wanted()) {
            JsonOption.print(
                    spec.commandLine().getOut(),
                    new Result(
                            outcome.folder().toString(),
                            outcome.ending().name().toLowerCase(Locale.ROOT),
                            outcome.steps(),
                            outcome.tokens(),
                            new LinkedHashMap<>(outcome.evaluation()),
                            outcome.bestStep(),
                            drawn ? png.toString() : ""));
            return;
        }
        PrintStream out = terminal.out();
        if (drawn) {
            TextPlot.lines(terminal, "loss", "step", PLOT_ROWS, series).forEach(out::println);
            out.println();
        }
        summary(where, outcome, drawn ? Optional.of(png) : Optional.empty()).forEach(out::println);
        out.flush();
    }

    private static List<String> summary(String where, TrainingRun.Outcome outcome, Optional<Path> png) {
        List<String> lines = new ArrayList<>();
        Path folder = outcome.folder();
        if (outcome.ending() == TrainingRun.Ending.STOPPED) {
            lines.add("Stopped after step %,d %s; everything is saved.".formatted(outcome.steps(), where));
            lines.add("");
            lines.add("Go on with:  quern train --resume " + folder);
            return lines;
        }
        String early = outcome.ending() == TrainingRun.Ending.EARLY ? " (stopped early: no better for a while)" : "";
        lines.add("Trained %,d steps on %,d tokens%s.".formatted(outcome.steps(), outcome.tokens(), early));
        Task task = ModelSpec.read(folder).task();
        Map<String, Double> e = outcome.evaluation();
        if (!e.isEmpty()) {
            String ofSource = "eval_loss/";
            lines.add("  validation loss   " + validationLoss(task, e));
            if (e.containsKey("eval_bits_per_byte")) {
                lines.add("  bits per byte     %.4f".formatted(e.get("eval_bits_per_byte")));
            }
            new TreeMap<>(e).forEach((name, value) -> {
                if (name.startsWith(ofSource)) {
                    lines.add("  of %-15s%.4f".formatted(name.substring(ofSource.length()), value));
                }
            });
        }
        outcome.bestStep().ifPresent(step -> lines.add("  best step         %,d".formatted(step)));
        lines.add("  model folder      " + folder);
        png.ifPresent(p -> lines.add("  loss curve        " + p));
        lines.add("");
        lines.add("Next:");
        if (task == Task.IMAGE_TOKENS) {
            lines.add("  objective: {type: image_tokens, image_tokenizer: %s}     (in a recipe)".formatted(folder));
        } else {
            lines.add("  quern generate %s --prompt \"Once\"".formatted(folder));
            lines.add("  quern chat %s".formatted(folder));
            lines.add("  quern eval %s --data FILE.txt".formatted(folder));
        }
        if (!StagedTraining.is(folder)) {
            lines.add(
                    "  quern train --resume %s max_steps=%d     (train longer)".formatted(folder, outcome.steps() * 2));
        }
        return lines;
    }

    /** The loss by what it is a mean of. */
    private static String validationLoss(Task task, Map<String, Double> evaluation) {
        double loss = evaluation.get("eval_loss");
        return switch (task) {
            case IMAGE_TOKENS -> "%.4f an image".formatted(loss);
            case CONTRASTIVE, NEXT_SENTENCE, SEQUENCE_CLASSIFICATION, QUESTION_ANSWERING, REWARD ->
                "%.4f a row".formatted(loss);
            default -> "%.4f nats a token   (perplexity %.2f)".formatted(loss, evaluation.get("eval_perplexity"));
        };
    }
}
