package quern.cli.verb;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Verb;
import quern.recipe.Block;
import quern.recipe.ExitCode;
import quern.recipe.Position;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.train.ComputeThreads;
import quern.train.Median;
import quern.train.OptimizerBenchmark;

/** {@code quern bench optim}: times the steps of an optimizer alone. */
@Command(
        name = "optim",
        description = {
            "Time an optimizer's steps on the parameters of a GPT of 11.5 million weights, with random gradients.",
            "bench/python/optimizers.py does the same work in PyTorch, in turns with this command."
        })
public final class BenchOptim implements Verb {
    @Parameters(
            arity = "0..*",
            paramLabel = "KEY=VALUE",
            description = "optim, optim_args, weight_decay, adam_beta1, adam_beta2, adam_epsilon, as in a recipe.")
    private List<String> settings = List.of();

    @Option(names = "--steps", defaultValue = "20", description = "Timed steps.")
    private int steps;

    @Option(names = "--warmup", defaultValue = "5", description = "Steps before timing.")
    private int warmup;

    @Option(names = "--precision", defaultValue = "fp32", description = "bf16 or fp32.")
    private String precision;

    @Option(names = "--threads", defaultValue = "0", description = "CPU threads; 0 for all.")
    private int threads;

    @Option(
            names = "--paced",
            description = {
                "Take --steps steps for each line on standard input, and answer each with a line of JSON; the first",
                "line, unasked, says what is timed. For measuring in turns with another program."
            })
    private boolean paced;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /** What is timed. */
    record Subject(String optim, long parameters, String precision, int threads, long stateBytes) {}

    /**
     * The times of a round's steps, and how long one kept processors busy, in ms: all threads of the program together, but
     * not those of the JVM's compiler and collector.
     */
    record Round(double[] stepMs, double cpuMs) {}

    /** The whole run. */
    record Result(
            String optim,
            long parameters,
            String precision,
            int threads,
            long stateBytes,
            double stepMs,
            double stepMsMin,
            double stepMsMax) {}

    @Override
    public ExitCode run() throws IOException {
        if (steps < 1 || warmup < 0 || threads < 0) {
            throw QuernException.badInput("--steps takes 1 or more, --warmup and --threads 0 or more");
        }
        int n = ComputeThreads.count(threads);
        Block chosen = RecipeFile.changed(Block.empty(Position.of("command line")), settings);
        PrintWriter out = spec.commandLine().getOut();
        try (OptimizerBenchmark benchmark = new OptimizerBenchmark(
                chosen.bind(OptimizerBenchmark.Choice.class), Bench.precision(precision), n, 1337)) {
            benchmark.steps(warmup);
            Subject subject =
                    new Subject(benchmark.optim(), benchmark.parameterCount(), precision, n, benchmark.stateBytes());
            if (paced) {
                JsonOption.print(out, subject);
                BufferedReader turns = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
                while (turns.readLine() != null) {
                    JsonOption.print(out, round(benchmark));
                }
            } else {
                print(out, subject, benchmark.steps(steps));
            }
        }
        return ExitCode.DONE;
    }

    private Round round(OptimizerBenchmark benchmark) {
        ThreadMXBean clock = ManagementFactory.getThreadMXBean();
        long before = busy(clock);
        double[] times = benchmark.steps(steps);
        return new Round(times, (busy(clock) - before) / 1e6 / steps);
    }

    /** Nanoseconds of all threads that are alive; those that take steps live on between rounds. */
    private static long busy(ThreadMXBean clock) {
        return Arrays.stream(clock.getAllThreadIds())
                .map(clock::getThreadCpuTime)
                .filter(time -> time > 0)
                .sum();
    }

    private void print(PrintWriter out, Subject subject, double[] times) {
        Arrays.sort(times);
        double median = Median.of(times);
        if (json.wanted()) {
            JsonOption.print(
                    out,
                    new Result(
                            subject.optim(),
                            subject.parameters(),
                            subject.precision(),
                            subject.threads(),
                            subject.stateBytes(),
                            median,
                            times[0],
                            times[times.length - 1]));
        } else {
            out.printf(
                    "%s, %,d parameters, %s, %d threads: %.2f ms a step (%.2f to %.2f), state %,d bytes%n",
                    subject.optim(),
                    subject.parameters(),
                    subject.precision(),
                    subject.threads(),
                    median,
                    times[0],
                    times[times.length - 1],
                    subject.stateBytes());
            out.flush();
        }
    }
}
