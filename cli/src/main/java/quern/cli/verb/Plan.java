package quern.cli.verb;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.math.MathContext;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.ProgressLine;
import quern.cli.RecipeArguments;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.cli.internal.ShownBatch;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Recipe;
import quern.train.Preparation;
import quern.train.Stages;
import quern.train.TrainingPlan;

/** {@code quern plan}: what a training would be, without beginning it. */
@Command(
        name = "plan",
        description = {
            "Show what a training would be: parameters, memory, tokens, data, schedule and time.",
            "A few steps are really taken to measure memory and time; no run folder is written. Without a recipe, the plan",
            "of the default one."
        })
public final class Plan implements Verb {
    private static final int BOLD = 1;
    private static final int RATE_DIGITS = 3;

    @Mixin
    private RecipeArguments recipe;

    @Option(
            names = "--show-batch",
            description = {
                "Also show the first batch: what the model reads and what it is to predict. Targets that count are green,",
                "or stand in brackets where there is no colour, the others are a middle dot; inputs that are only read are",
                "cyan, those that were changed red, or in braces. Then come masks, documents of a row, and counts."
            })
    private boolean showBatch;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /** What {@code --json} prints. */
    record Result(@JsonUnwrapped TrainingPlan plan, Optional<List<ShownBatch.Row>> batch) {}

    /** What {@code --json} prints of one stage of several. */
    record StageResult(String stage, @JsonUnwrapped TrainingPlan plan) {}

    /** What {@code --json} prints of a recipe with stages. */
    record StagedResult(List<StageResult> stages, Optional<List<ShownBatch.Row>> batch) {}

    @Override
    public ExitCode run() {
        Terminal notes = Terminal.stderr();
        Block asked = Train.load(recipe);
        if (Stages.has(asked)) {
            return staged(asked, notes);
        }
        Preparation preparation = Preparation.of(asked, notes.out()::println);
        notes.out().println("taking a few steps to measure memory and time");
        TrainingPlan plan = TrainingPlan.of(preparation, notes.out()::println);
        Optional<List<ShownBatch.Row>> rows = firstBatch(preparation);
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            JsonOption.print(out, new Result(plan, rows));
        } else {
            Terminal terminal = Terminal.stdout();
            lines(plan, preparation.recipe(), terminal).forEach(out::println);
            rows.ifPresent(all -> ShownBatch.print(all, terminal, out));
            out.flush();
        }
        return ExitCode.DONE;
    }

    private Optional<List<ShownBatch.Row>> firstBatch(Preparation preparation) {
        return showBatch
                ? Optional.of(ShownBatch.rows(preparation.batches().batch(0), preparation.tokenizer()))
                : Optional.empty();
    }

    /** The plan of each stage; a later one's steps are taken on a model of its size with new weights. */
    private ExitCode staged(Block asked, Terminal notes) {
        List<Preparation> preparations = Stages.prepare(asked, notes.out()::println);
        List<String> names = Stages.names(asked);
        List<StageResult> plans = new ArrayList<>();
        for (int i = 0; i < preparations.size(); i++) {
            notes.out().println("stage %s: taking a few steps to measure memory and time".formatted(names.get(i)));
            plans.add(new StageResult(names.get(i), TrainingPlan.of(preparations.get(i), notes.out()::println)));
        }
        Optional<List<ShownBatch.Row>> rows = firstBatch(preparations.getFirst());
        PrintWriter out = spec.commandLine().getOut();
        if (json.wanted()) {
            JsonOption.print(out, new StagedResult(plans, rows));
            return ExitCode.DONE;
        }
        Terminal terminal = Terminal.stdout();
        for (int i = 0; i < plans.size(); i++) {
            Recipe stage = preparations.get(i).recipe();
            out.println(heading(terminal, "stage")
                    + "%d of %d, %s%s"
                            .formatted(
                                    i + 1,
                                    plans.size(),
                                    names.get(i),
                                    stage.grow()
                                            .map(g -> ", grown by "
                                                    + g.method().name().toLowerCase(Locale.ROOT))
                                            .orElse("")));
            lines(plans.get(i).plan(), stage, terminal).forEach(out::println);
            out.println();
        }
        rows.ifPresent(all -> ShownBatch.print(all, terminal, out));
        out.flush();
        return ExitCode.DONE;
    }

    private static List<String> lines(TrainingPlan plan, Recipe recipe, Terminal terminal) {
        List<String> lines = new ArrayList<>();
        lines.add(heading(terminal, "model") + "%s, %,d parameters".formatted(plan.family(), plan.parameterCount()));
        plan.parameters()
                .forEach((part, count) ->
                        lines.add(row(part, "%,15d  %4.1f%%".formatted(count, 100.0 * count / plan.parameterCount()))));
        memory(plan, recipe, terminal, lines);
        data(plan, terminal, lines);
        TrainingPlan.Tokens tokens = plan.tokens();
        lines.add(heading(terminal, "tokens")
                + "%,.0f a step%s%s, %,.0f in total, %.2f epochs"
                        .formatted(
                                tokens.perStep(), counted(tokens), computed(tokens), tokens.total(), tokens.epochs()));
        lines.add(heading(terminal, "steps") + "%,d of %s".formatted(plan.steps(), batch(plan.batchSize())));
        lines.add(heading(terminal, "precision") + precision(plan.precision()));
        TrainingPlan.LearningRate rate = plan.learningRate();
        lines.add(heading(terminal, "rate")
                + "%s: %s at step 1, %s at its highest (step %,d), %s at step %,d"
                        .formatted(
                                rate.scheduler(),
                                number(rate.first()),
                                number(rate.peak()),
                                rate.peakStep(),
                                number(rate.last()),
                                plan.steps()));
        lines.add(heading(terminal, "time")
                + plan.time()
                        .map(time -> time(time, tokens))
                        .orElse("unknown: the training does not fit into the memory that is free"));
        return lines;
    }

    /** How many of them the loss counts, where it isn't all. */
    private static String counted(TrainingPlan.Tokens tokens) {
        return tokens.countedPerStep() == tokens.perStep()
                ? ""
                : " (the loss counts %,.0f, %.1f%%)"
                        .formatted(tokens.countedPerStep(), 100 * tokens.countedPerStep() / tokens.perStep());
    }

    /** How many go through the model, where rows share what they begin with. */
    private static String computed(TrainingPlan.Tokens tokens) {
        double computed = tokens.computedPerStep().orElse(tokens.perStep());
        return computed == tokens.perStep()
                ? ""
                : ", %,.0f computed since rows begin alike (%.1f%%)"
                        .formatted(computed, 100 * computed / tokens.perStep());
    }

    private static String batch(TrainingPlan.BatchSize batch) {
        String growing = batch.warmupSteps() > 0
                ? " (%d in the first, growing over %,d steps)".formatted(batch.first(), batch.warmupSteps())
                : "";
        String passes = batch.pass().isPresent()
                ? "%d at once%s".formatted(batch.pass().getAsInt(), batch.found() ? ", found by trial" : "")
                : "as many at once as memory allows";
        return "%d rows%s, %s".formatted(batch.step(), growing, passes);
    }

    private static String precision(TrainingPlan.Arithmetic precision) {
        String masters = precision.weights().equals(precision.master())
                ? ""
                : ": %s weights, %s masters".formatted(precision.weights(), precision.master());
        String scale = precision
                .lossScale()
                .map(s ->
                        "; loss scale %s at first, times %s after %,d good steps, times %s after an overflow, %s at least"
                                .formatted(
                                        plain(s.initial()),
                                        plain(s.growthFactor()),
                                        s.growthInterval(),
                                        plain(s.backoffFactor()),
                                        plain(s.floor())))
                .orElse("");
        String dynamic = precision
                .dynamic()
                .map(d -> "; a segment that overflows %d times in %d steps changes to bf16"
                        .formatted(d.overflows(), d.window()))
                .orElse("");
        return precision.name() + masters + scale + dynamic;
    }

    private static String plain(double value) {
        return BigDecimal.valueOf(value).stripTrailingZeros().toPlainString();
    }

    private static void memory(TrainingPlan plan, Recipe recipe, Terminal terminal, List<String> lines) {
        TrainingPlan.Memory memory = plan.memory();
        lines.add(heading(terminal, "memory")
                + "%s %s at the peak, of %s free now"
                        .formatted(
                                memory.measured() ? "about" : "at least",
                                ProgressLine.bytes(memory.peak()),
                                ProgressLine.bytes(memory.available())));
        lines.add(row("weights", size(memory.weights())));
        lines.add(row("gradients", size(memory.gradients())));
        lines.add(row(String.join(", ", recipe.optimizers()), size(memory.optimizer())));
        if (memory.measured()) {
            lines.add(row("activations", size(memory.activations()) + "  measured, with the head's buffers"));
            lines.add(row("saving", size(memory.snapshot()) + "  measured, the copies a save writes from"));
        }
        lines.add(row("process", size(memory.process()) + "  measured, Java, libraries and data"));
    }

    private static void data(TrainingPlan plan, Terminal terminal, List<String> lines) {
        TrainingPlan.Data data = plan.data();
        lines.add(heading(terminal, "data")
                + "%.1f MB of text, %,d documents (%,d empty ones left out, %,d invalid UTF-8 sequences replaced)"
                        .formatted(
                                data.bytes() / 1e6, data.documents(), data.emptyDocuments(), data.replacedSequences()));
        lines.add(row("train", "%,15d tokens".formatted(data.trainTokens())));
        lines.add(row("validation", "%,15d tokens".formatted(data.validationTokens())));
        lines.add(row("vocabulary", "%,15d tokens".formatted(data.vocabularySize())));
        data.notices().forEach(notice -> lines.add("  " + notice));
    }

    private static String time(TrainingPlan.Time time, TrainingPlan.Tokens tokens) {
        return "about %s on this machine, by %d steps really taken (%.0f ms a step, %s tokens/s), %d evaluations of %.1f s"
                .formatted(
                        ProgressLine.time(Duration.ofMillis((long) (time.totalSeconds() * 1000))),
                        time.timedSteps(),
                        time.secondsPerStep() * 1000,
                        ProgressLine.count(tokens.perStep() / time.secondsPerStep()),
                        time.evaluations(),
                        time.secondsPerEvaluation());
    }

    private static String heading(Terminal terminal, String name) {
        return terminal.paint(BOLD, name) + " ".repeat(10 - name.length());
    }

    private static String row(String name, String value) {
        return "  %-12s%s".formatted(name, value);
    }

    private static String size(long bytes) {
        return "%15s".formatted(ProgressLine.bytes(bytes));
    }

    private static String number(double value) {
        return new BigDecimal(value)
                .round(new MathContext(RATE_DIGITS))
                .stripTrailingZeros()
                .toString();
    }
}
