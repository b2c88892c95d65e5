package quern.cli.verb;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Terminal;
import quern.cli.Verb;
import quern.recipe.ExitCode;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.train.StepBenchmark;
import quern.train.Workload;

/** {@code quern bench}: times training steps. */
@Command(
        name = "bench",
        subcommands = {BenchOptim.class, BenchCheckpoint.class, BenchGenerate.class},
        description = {
            "Time training steps on this machine: tokens a second, the share of the machine's ceiling for matrix products,",
            "where the time goes, peak memory. bench optim times an optimizer's steps alone, bench checkpoint how long a",
            "save keeps training waiting, bench generate how fast a model writes.",
            "bench/compare runs the same work in PyTorch, in turns with this command."
        })
public final class Bench implements Verb {
    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "WORKLOAD",
            defaultValue = "30m",
            description = "char, 30m, 124m (GPT), llama60m, or a recipe's file (.yaml), whose training is timed.")
    private String workload;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "KEY=VALUE", description = "Changes of the recipe.")
    private List<String> changes = new ArrayList<>();

    @Option(names = "--steps", defaultValue = "20", description = "Timed steps.")
    private int steps;

    @Option(names = "--warmup", defaultValue = "3", description = "Steps before timing.")
    private int warmup;

    @Option(names = "--group", defaultValue = "5", description = "Steps a printed rate covers.")
    private int group;

    @Option(
            names = "--parts",
            defaultValue = "3",
            paramLabel = "STEPS",
            description = "Steps after the timed ones that are divided into parts; 0 for none.")
    private int partSteps;

    @Option(
            names = "--ceiling",
            defaultValue = "6",
            paramLabel = "ROUNDS",
            description = "Rounds in which the ceiling of matrix products is measured at the end; 0 for none.")
    private int ceilingRounds;

    @Option(names = "--batch", defaultValue = "0", description = "Rows a step; 0 for the workload's.")
    private int batch;

    @Option(names = "--length", defaultValue = "0", description = "Tokens a row; 0 for the workload's.")
    private int length;

    @Option(names = "--vocab-size", defaultValue = "0", description = "Tokens there are; 0 for the workload's.")
    private int vocabulary;

    @Option(
            names = "--precision",
            defaultValue = "",
            description = "bf16 (unless said otherwise) or fp32; of a recipe, what it says itself.")
    private String precision;

    @Option(names = "--threads", defaultValue = "0", description = "CPU threads; 0 for those of the recipe, or all.")
    private int threads;

    @Option(
            names = "--paced",
            description = {
                "Take --group steps for each line on standard input, and answer each with a line of JSON; the first line,",
                "unasked, says what is timed, the last is the result. For measuring in turns with another program."
            })
    private boolean paced;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        if (steps < 1
                || group < 1
                || Stream.of(warmup, partSteps, ceilingRounds, threads).anyMatch(n -> n < 0)) {
            throw QuernException.badInput(
                    "--steps and --group take 1 or more, --warmup, --parts, --ceiling and --threads 0 or more");
        }
        if (batch < 0 || length < 0 || vocabulary < 0 || vocabulary == 1) {
            throw QuernException.badInput("--batch and --length take 1 or more, --vocab-size 2 or more");
        }
        if (paced) {
            refuseBesidePaced(spec, "--steps", "--json");
        }
        PrintWriter out = spec.commandLine().getOut();
        StepBenchmark.Settings timing = new StepBenchmark.Settings(
                paced ? Integer.MAX_VALUE : steps, warmup, group, partSteps, ceilingRounds, threads);
        StepBenchmark.Listener listener = paced ? new Paced(out) : new Shown(out, json.wanted());
        StepBenchmark.Result result = isRecipe() ? ofRecipe(timing, listener) : ofWorkload(timing, listener);
        if (paced || json.wanted()) {
            JsonOption.print(out, result);
        } else {
            print(out, result);
        }
        out.flush();
        return ExitCode.DONE;
    }

    private boolean isRecipe() {
        return workload.endsWith(".yaml") || workload.endsWith(".yml");
    }

    private StepBenchmark.Result ofWorkload(StepBenchmark.Settings timing, StepBenchmark.Listener listener) {
        if (!changes.isEmpty()) {
            throw QuernException.badInput(
                    "'%s': settings are for recipes; a workload has --batch, --length and --vocab-size",
                    changes.getFirst());
        }
        Workload work = Workload.of(workload).sized(batch, length, vocabulary);
        return StepBenchmark.run(work, precision(precision.isEmpty() ? "bf16" : precision), timing, listener);
    }

    private StepBenchmark.Result ofRecipe(StepBenchmark.Settings timing, StepBenchmark.Listener listener) {
        if (batch > 0 || length > 0 || vocabulary > 0) {
            throw QuernException.badInput(
                    "--batch, --length and --vocab-size are for workloads; a recipe says per_device_train_batch_size, data.max_length and tokenizer.vocab_size");
        }
        List<String> all = new ArrayList<>(changes);
        if (!precision.isEmpty()) {
            all.add("precision=" + precision);
        }
        Path file = Path.of(workload);
        return StepBenchmark.run(
                file.getFileName().toString().replaceFirst("\\.ya?ml$", ""),
                RecipeFile.load(file, all),
                timing,
                Terminal.stderr().out()::println,
                listener);
    }

    /** Prints groups for a person. */
    private record Shown(PrintWriter out, boolean silent) implements StepBenchmark.Listener {
        @Override
        public void ended(StepBenchmark.Group g) {
            if (!silent) {
                out.printf(
                        "step %3d  %8.1f tokens/s  %7.1f ms a step  loss %.4f  peak %.0f MB%n",
                        g.step(), g.tokensPerSec(), g.stepSeconds() * 1e3, g.loss(), g.peakRssMb());
                out.flush();
            }
        }
    }

    /** Takes a group for every line of standard input. */
    private static final class Paced implements StepBenchmark.Listener {
        private final PrintWriter out;
        private final BufferedReader turns =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        private boolean asked;

        Paced(PrintWriter out) {
            this.out = out;
        }

        @Override
        public void begins(StepBenchmark.Subject subject) {
            JsonOption.print(out, subject);
        }

        @Override
        public boolean goesOn() {
            try {
                boolean asks = turns.readLine() != null;
                if (!asks && !asked) {
                    throw QuernException.badInput(
                            "--paced: standard input ended before the first line; give a line for each group of steps");
                }
                asked = true;
                return asks;
            } catch (IOException e) {
                throw new UncheckedIOException("standard input can't be read", e);
            }
        }

        @Override
        public void ended(StepBenchmark.Group group) {
            JsonOption.print(out, group);
        }
    }

    private static void print(PrintWriter out, StepBenchmark.Result r) {
        StepBenchmark.Subject s = r.subject();
        out.printf(
                "%s, %,d parameters, %d x %d tokens, %s, %d threads: %.1f tokens/s (%.1f to %.1f), %.1f counted, peak %.0f MB%n",
                s.model(),
                s.parameters(),
                s.batch(),
                s.length(),
                s.precision(),
                s.threads(),
                r.tokensPerSec(),
                r.tokensPerSecMin(),
                r.tokensPerSecMax(),
                r.countedTokensPerSec(),
                r.peakRssMb());
        out.printf(
                "processors busy %.0f%%; %.0f page faults a step%n", 100 * r.processorShare(), r.pageFaultsPerStep());
        r.modelGflop().ifPresent(gflop -> out.printf("%.1f GFLOP a step%n", gflop));
        r.parts().ifPresent(p -> {
            out.printf("of %.1f ms a step:%n", p.stepSeconds() * 1e3);
            p.shares().forEach((part, share) -> out.printf("  %-10s %5.1f%%%n", part, 100 * share));
        });
        r.ceiling().ifPresent(c -> {
            out.println("products of the step in their best form:");
            c.products()
                    .forEach(p -> out.printf(
                            "  %-38s [%d, %d]·[%d, %d] %7.1f GFLOP/s  %s%n",
                            p.product(), p.m(), p.k(), p.k(), p.n(), p.gflops(), p.form()));
            out.printf(
                    "ceiling %.1f GFLOP/s; the step reaches %.1f%% of it%n",
                    c.gflops(), 100 * r.shareOfCeiling().orElseThrow());
        });
    }

    /** Refuses options that have no effect beside {@code --paced}. */
    static void refuseBesidePaced(CommandSpec spec, String... options) {
        for (String option : options) {
            if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
                throw QuernException.badInput(
                        "%s: has no effect beside --paced, which takes what standard input asks for and prints JSON; leave it out",
                        option);
            }
        }
    }

    /** The precision of that name, of those that are timed. */
    static Precision precision(String name) {
        return switch (name) {
            case "bf16" -> Precision.BF16;
            case "fp32" -> Precision.FP32;
            default -> throw QuernException.badInput("--precision: found '%s', expected bf16 or fp32", name);
        };
    }
}
