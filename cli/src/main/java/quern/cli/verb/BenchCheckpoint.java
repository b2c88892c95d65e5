package quern.cli.verb;

import java.io.PrintWriter;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import quern.cli.JsonOption;
import quern.cli.Verb;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.train.CheckpointBenchmark;
import quern.train.ComputeThreads;

/** {@code quern bench checkpoint}: times how long a checkpoint keeps training waiting. */
@Command(
        name = "checkpoint",
        description = {
            "Time how long a checkpoint of a model with AdamW keeps training waiting: saved while training waits, and beside",
            "it, in turns."
        })
public final class BenchCheckpoint implements Verb {
    @Parameters(arity = "0..1", paramLabel = "WORKLOAD", defaultValue = "30m", description = "As in quern bench.")
    private String workload;

    @Option(names = "--pairs", defaultValue = "5", description = "Saves of each kind.")
    private int pairs;

    @Option(names = "--precision", defaultValue = "bf16", description = "bf16 or fp32.")
    private String precision;

    @Option(names = "--threads", defaultValue = "0", description = "CPU threads; 0 for all.")
    private int threads;

    @Option(
            names = "--folder",
            defaultValue = ".",
            description = "Where the checkpoints are written, to be deleted in the end.")
    private Path folder;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    @Override
    public ExitCode run() {
        if (pairs < 1 || threads < 0) {
            throw QuernException.badInput("--pairs takes 1 or more, --threads 0 or more");
        }
        PrintWriter out = spec.commandLine().getOut();
        int n = ComputeThreads.count(threads);
        CheckpointBenchmark.Result r = CheckpointBenchmark.run(
                new CheckpointBenchmark.Settings(workload, Bench.precision(precision), pairs, n, folder), p -> {
                    if (!json.wanted()) {
                        out.printf(
                                "full %8.1f ms   blocked %7.1f ms (%.2f%%)   both done after %8.1f ms   step %.1f ms, beside the save %.1f ms%n",
                                p.fullSeconds() * 1e3,
                                p.blockedSeconds() * 1e3,
                                100 * p.blockedSeconds() / p.fullSeconds(),
                                p.besideSeconds() * 1e3,
                                p.stepSeconds() * 1e3,
                                p.stepBesideSeconds() * 1e3);
                        out.flush();
                    }
                });
        if (json.wanted()) {
            JsonOption.print(out, r);
        } else {
            out.printf(
                    "%s, %,d parameters, %s, %d threads, %,d bytes: full %.1f ms, blocked %.1f ms (%.2f%%; the first time %.1f ms), copies %,d bytes; step %.1f ms, beside the save %.1f ms%n",
                    r.model(),
                    r.parameters(),
                    r.precision(),
                    r.threads(),
                    r.bytes(),
                    r.fullSeconds() * 1e3,
                    r.blockedSeconds() * 1e3,
                    100 * r.blockedShare(),
                    r.firstBlockedSeconds() * 1e3,
                    r.stagingBytes(),
                    r.stepSeconds() * 1e3,
                    r.stepBesideSeconds() * 1e3);
        }
        out.flush();
        return ExitCode.DONE;
    }
}
