package quern.cli.internal;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import quern.cli.JsonOption;
import quern.cli.ProgressLine;
import quern.cli.RecipeArguments;
import quern.cli.Terminal;
import quern.recipe.ExitCode;
import quern.search.ArmResult;
import quern.search.Comparison;
import quern.search.ComparisonPages;
import quern.search.Study;
import quern.search.StudyRunner;
import quern.train.StepResult;
import quern.train.TrainingHook;
import quern.train.TrainingProgress;
import quern.train.TrainingRun;

/** A {@link Study} carried out for a person who watches: progress on standard error, the result on standard output. */
public final class StudyRun implements StudyRunner.Watcher {
    private static final double SMOOTHING = 0.1;

    /**
     * What to print.
     *
     * @param json the whole result
     * @param first sentences before those about the arms
     * @param page the page to open
     */
    public record Report(Object json, List<String> first, Comparison comparison, Path page) {
        /** A comparison whose pages are written. */
        public static Report of(Comparison comparison, Path page) {
            return new Report(comparison, List.of(), comparison, page);
        }
    }

    private final Terminal terminal = Terminal.stderr();
    private final PrintWriter out;
    private final boolean json;
    private ProgressLine line;

    /**
     * @param out where the result goes
     * @param json whether it is JSON
     */
    public StudyRun(PrintWriter out, boolean json) {
        this.out = out;
        this.json = json;
    }

    /** What a study of a recipe is called: the file's name without its ending. */
    public static String name(RecipeArguments arguments) {
        return arguments
                .recipe()
                .map(file -> file.getFileName().toString().replaceFirst("\\.ya?ml$", ""))
                .orElse("default");
    }

    /**
     * Trains what is not trained yet, and reports.
     *
     * @param finish writes the pages and says what to print
     */
    public ExitCode run(Study study, Function<Comparison, Report> finish) {
        StudyRunner runner = new StudyRunner(study, this);
        note("budget: " + runner.budget().text());
        Optional<Comparison> comparison;
        try (StopSignals signals = StopSignals.first(() -> {
            note("stopping after this step and saving; press Ctrl-C again to stop at once");
            runner.requestStop();
        })) {
            comparison = runner.run();
        }
        if (comparison.isEmpty()) {
            note("Stopped; everything is saved in %s. The same command goes on.".formatted(study.output()));
            return ExitCode.STOPPED;
        }
        print(finish.apply(comparison.get()));
        return ExitCode.DONE;
    }

    /** Prints what came of it. */
    public void print(Report report) {
        if (json) {
            JsonOption.print(out, report.json());
            return;
        }
        Comparison comparison = report.comparison();
        List<List<String>> rows = ComparisonPages.summary(comparison);
        int[] widths = new int[rows.getFirst().size()];
        rows.forEach(row -> {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        });
        for (List<String> row : rows) {
            StringBuilder text = new StringBuilder(("%-" + widths[0] + "s").formatted(row.getFirst()));
            for (int i = 1; i < widths.length; i++) {
                text.append("  ").append(("%" + widths[i] + "s").formatted(row.get(i)));
            }
            out.println(text);
        }
        out.println();
        report.first().forEach(out::println);
        comparison.arms().stream().map(ArmResult::verdict).forEach(out::println);
        comparison.warnings().forEach(warning -> out.println("warning: " + warning));
        out.println();
        out.println("page  " + report.page());
        out.flush();
    }

    @Override
    public synchronized void note(String text) {
        if (line == null) {
            terminal.out().println(text);
        } else {
            line.println(text);
        }
    }

    @Override
    public synchronized TrainingHook begins(String label, TrainingRun run) {
        note(label);
        line = new ProgressLine(terminal, "train", run.step(), run.preparation().maxSteps());
        return new Progress(line);
    }

    @Override
    public synchronized void ends() {
        if (line != null) {
            line.close();
            line = null;
        }
    }

    /** Moves the progress line on. */
    private static final class Progress implements TrainingHook {
        private final ProgressLine line;
        private double loss = Double.NaN;

        Progress(ProgressLine line) {
            this.line = line;
        }

        @Override
        public void onStep(TrainingProgress progress, StepResult result) {
            loss = Double.isNaN(loss) ? result.loss() : loss + SMOOTHING * (result.loss() - loss);
            line.update(progress.step(), loss, result.tokens() / result.seconds(), 0);
        }

        @Override
        public void onMetrics(TrainingProgress progress, Map<String, Double> metrics) {
            line.skipTime();
        }
    }
}
