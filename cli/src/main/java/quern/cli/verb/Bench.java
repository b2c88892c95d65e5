package quern.cli.verb;

import java.io.PrintWriter;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Verb;
import quern.recipe.ExitCode;
import quern.recipe.Precision;
import quern.recipe.QuernException;
import quern.train.ComputeThreads;
import quern.train.StepBenchmark;

/** {@code quern bench}: times training steps. */
@Command(
        name = "bench",
        subcommands = BenchOptim.class,
        description = {
            "Time training steps of a GPT on this machine; bench optim times an optimizer's steps alone.",
            "bench/python/step_time.py does the same work in PyTorch; bench/python/pairs.py runs both in turns."
        })
public final class Bench implements Verb {
    @Parameters(arity = "0..1", paramLabel = "WORKLOAD", defaultValue = "30m", description = "char, 30m or 124m.")
    private String workload;

    @Option(names = "--steps", defaultValue = "20", description = "Timed steps.")
    private int steps;

    @Option(names = "--warmup", defaultValue = "3", description = "Steps before timing.")
    private int warmup;

    @Option(names = "--group", defaultValue = "5", description = "Steps a printed rate covers.")
    private int group;

    @Option(names = "--precision", defaultValue = "bf16", description = "bf16 or fp32.")
    private String precision;

    @Option(names = "--threads", defaultValue = "0", description = "CPU threads; 0 for all.")
    private int threads;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        if (steps < 1 || group < 1 || warmup < 0 || threads < 0) {
            throw QuernException.badInput("--steps and --group take 1 or more, --warmup and --threads 0 or more");
        }
        Precision chosen = precision(precision);
        int n = ComputeThreads.count(threads);
        PrintWriter out = spec.commandLine().getOut();
        StepBenchmark.Result result = StepBenchmark.run(
                new StepBenchmark.Settings(StepBenchmark.Size.of(workload), chosen, steps, warmup, group, n, 1337),
                g -> {
                    if (!json.wanted()) {
                        out.printf(
                                "step %3d  %8.1f tokens/s  %7.1f ms a step  loss %.4f  peak %.0f MB%n",
                                g.step(), g.tokensPerSec(), g.stepSeconds() * 1e3, g.loss(), g.peakRssMb());
                        out.flush();
                    }
                });
        if (json.wanted()) {
            JsonOption.print(out, result);
        } else {
            out.printf(
                    "%s, %,d parameters, %s, %d threads: %.1f tokens/s (%.1f to %.1f), peak %.0f MB%n",
                    result.model(),
                    result.parameters(),
                    result.precision(),
                    result.threads(),
                    result.tokensPerSec(),
                    result.tokensPerSecMin(),
                    result.tokensPerSecMax(),
                    result.peakRssMb());
        }
        out.flush();
        return ExitCode.DONE;
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
