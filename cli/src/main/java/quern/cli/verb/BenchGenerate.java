package quern.cli.verb;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
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
import quern.train.ComputeThreads;
import quern.train.GenerationBenchmark;
import quern.train.Median;
import quern.train.ProcessMemory;
import quern.train.Workload;

/** {@code quern bench generate}: times generation. */
@Command(
        name = "generate",
        description = {
            "Time generation by a model with random weights, new tokens of all texts in a second.",
            "bench/python/generate.py does the same work with transformers."
        })
public final class BenchGenerate implements Verb {
    @Parameters(
            arity = "0..1",
            paramLabel = "WORKLOAD",
            defaultValue = "llama60m",
            description = "The model's shape: char, 30m, 124m or llama60m, as in quern bench.")
    private String workload;

    @Option(names = "--batch", defaultValue = "1", description = "Texts at once.")
    private int batch;

    @Option(names = "--prompt", defaultValue = "32", description = "Tokens of each prompt.")
    private int prompt;

    @Option(names = "--new", defaultValue = "64", description = "Tokens made for each prompt.")
    private int made;

    @Option(names = "--rounds", defaultValue = "10", description = "Timed calls.")
    private int rounds;

    @Option(names = "--warmup", defaultValue = "10", description = "Calls before timing.")
    private int warmup;

    @Option(names = "--precision", defaultValue = "bf16", description = "bf16 or fp32.")
    private String precision;

    @Option(names = "--sample", description = "Draw tokens: temperature 0.8, top-k 50, top-p 0.95.")
    private boolean sample;

    @Option(names = "--threads", defaultValue = "0", description = "CPU threads; 0 for all.")
    private int threads;

    @Option(
            names = "--paced",
            description = {
                "Make one call for each line on standard input, and answer each with a line of JSON; the first line,",
                "unasked, says what is timed. For measuring in turns with another program."
            })
    private boolean paced;

    @Mixin
    private JsonOption json;

    @Spec
    private CommandSpec spec;

    /** What is timed. */
    record Subject(
            String engine,
            String model,
            long parameters,
            int batch,
            int promptTokens,
            int newTokens,
            String precision,
            boolean sampled,
            int threads) {}

    /** One call. */
    record Round(double tokensPerSec) {}

    /** The whole run. */
    record Result(
            String engine,
            String model,
            long parameters,
            int batch,
            int promptTokens,
            int newTokens,
            String precision,
            boolean sampled,
            int threads,
            double tokensPerSec,
            double tokensPerSecMin,
            double tokensPerSecMax,
            double peakRssMb) {}

    @Override
    public ExitCode run() throws IOException {
        if (batch < 1 || prompt < 1 || made < 1 || rounds < 1 || warmup < 0 || threads < 0) {
            throw QuernException.badInput(
                    "--batch, --prompt, --new and --rounds take 1 or more, --warmup and --threads 0 or more");
        }
        if (paced) {
            Bench.refuseBesidePaced(spec, "--rounds", "--json");
        }
        int n = ComputeThreads.count(threads);
        PrintWriter out = spec.commandLine().getOut();
        try (GenerationBenchmark benchmark = new GenerationBenchmark(new GenerationBenchmark.Settings(
                Workload.of(workload), Bench.precision(precision), batch, prompt, made, sample, n, 1337))) {
            for (int i = 0; i < warmup; i++) {
                benchmark.tokensPerSecond();
            }
            Subject subject =
                    new Subject("quern", workload, benchmark.parameters(), batch, prompt, made, precision, sample, n);
            if (paced) {
                JsonOption.print(out, subject);
                BufferedReader turns = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
                while (turns.readLine() != null) {
                    JsonOption.print(out, new Round(benchmark.tokensPerSecond()));
                }
            } else {
                double[] rates = new double[rounds];
                for (int i = 0; i < rounds; i++) {
                    rates[i] = benchmark.tokensPerSecond();
                }
                print(out, subject, rates);
            }
        }
        return ExitCode.DONE;
    }

    private void print(PrintWriter out, Subject s, double[] rates) {
        Result result = new Result(
                s.engine(),
                s.model(),
                s.parameters(),
                s.batch(),
                s.promptTokens(),
                s.newTokens(),
                s.precision(),
                s.sampled(),
                s.threads(),
                Median.of(rates),
                Arrays.stream(rates).min().orElseThrow(),
                Arrays.stream(rates).max().orElseThrow(),
                ProcessMemory.peakMegabytes());
        if (json.wanted()) {
            JsonOption.print(out, result);
        } else {
            out.printf(
                    "%s, %,d parameters, %s, batch %d, %d threads: %.1f tokens/s (%.1f to %.1f), peak %.0f MB%n",
                    s.model(),
                    s.parameters(),
                    s.precision(),
                    s.batch(),
                    s.threads(),
                    result.tokensPerSec(),
                    result.tokensPerSecMin(),
                    result.tokensPerSecMax(),
                    result.peakRssMb());
            out.flush();
        }
    }
}
