package quern.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import quern.evaluate.plot.CurvePng;
import quern.evaluate.plot.Series;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Times training steps at growing contexts, batches and vocabularies, each point in a process of its own, and measures the
 * peak memory of the loss in chunks and at once. Writes tables, pictures and what was printed into a folder.
 */
@Command(
        name = "growth",
        mixinStandardHelpOptions = true,
        description = "How the cost of a training step grows with context, batch and vocabulary.")
public final class CostGrowth implements Runnable {
    private static final JsonMapper JSON = new JsonMapper();
    private static final double MOST_OF_UNCHUNKED = 0.1;

    @Parameters(paramLabel = "FOLDER", description = "Where the record goes; must not be there.")
    private Path folder;

    @Option(names = "--workload", defaultValue = "30m", description = "The model's shape, a workload of quern bench.")
    private String workload;

    @Option(names = "--precision", defaultValue = "bf16", description = "bf16 or fp32.")
    private String precision;

    @Option(names = "--steps", defaultValue = "3", description = "Timed steps a point.")
    private int steps;

    @Option(names = "--warmup", defaultValue = "2", description = "Steps before them.")
    private int warmup;

    @Option(
            names = "--contexts",
            split = ",",
            defaultValue = "256,512,1024,2048,4096,8192",
            description = "Tokens of the one row of a step.")
    private List<Integer> contexts;

    @Option(
            names = "--batches",
            split = ",",
            defaultValue = "1,2,4,8,16,32,64",
            description = "Rows of 256 tokens a step.")
    private List<Integer> batches;

    @Option(
            names = "--vocabularies",
            split = ",",
            defaultValue = "1024,4096,16384,32768,65536,131072",
            description = "Tokens there are, at 8 rows of 256 tokens.")
    private List<Integer> vocabularies;

    @Option(
            names = "--small-vocabulary",
            defaultValue = "4096",
            description = "The vocabulary while context or batch grow.")
    private int smallVocabulary;

    @Option(names = "--loss-vocabulary", defaultValue = "131072", description = "Where the loss's memory is measured.")
    private int lossVocabulary;

    @Option(names = "--loss-tokens", defaultValue = "2048", description = "Tokens of that loss.")
    private int lossTokens;

    private final StringBuilder raw = new StringBuilder();

    /** Runs the command. */
    public static void main(String[] arguments) {
        CommandLine command = new CommandLine(new CostGrowth());
        command.setExecutionExceptionHandler((failure, line, parsed) -> {
            if (failure instanceof QuernException e) {
                line.getErr().println(e.getMessage());
                return e.exitCode().code();
            }
            throw failure;
        });
        System.exit(command.execute(arguments));
    }

    /** What changes from point to point. */
    private enum Axis {
        CONTEXT("context", "tokens of a row"),
        BATCH("batch", "rows a step"),
        VOCABULARY("vocabulary", "tokens there are");

        final String file;
        final String name;

        Axis(String file, String name) {
            this.file = file;
            this.name = name;
        }
    }

    private record Point(int value, double tokensPerSec, double gflop, double peakMb) {
        double gflops(int tokens) {
            return gflop * tokensPerSec / tokens;
        }
    }

    @Override
    public void run() {
        try {
            newFolder();
            StringBuilder page = new StringBuilder("# How the cost of a step grows\n\n");
            page.append("`bench/growth`: ")
                    .append(workload)
                    .append(", ")
                    .append(precision)
                    .append(", ")
                    .append(steps)
                    .append(" timed steps a point after ")
                    .append(warmup)
                    .append(
                            " of warming up, each point in a process of its own. GFLOP/s by 6·N·tokens + 12·L·d·T·tokens.\n");
            axis(Axis.CONTEXT, contexts, page);
            axis(Axis.BATCH, batches, page);
            axis(Axis.VOCABULARY, vocabularies, page);
            loss(page);
            Files.writeString(folder.resolve("README.md"), page);
        } catch (IOException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    private void newFolder() {
        if (Files.exists(folder)) {
            throw QuernException.badInput("%s: is there already; name another FOLDER", folder);
        }
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw QuernException.badInput("%s: no folder can be made there: %s; name another FOLDER", folder, e);
        }
    }

    private void axis(Axis axis, List<Integer> values, StringBuilder page) throws IOException {
        page.append("\n## ")
                .append(axis.name)
                .append("\n\n")
                .append("| ")
                .append(axis.name)
                .append(" | tokens/s | GFLOP/s | peak memory, MB |\n|---|---|---|---|\n");
        List<Point> points = new ArrayList<>();
        for (int value : values) {
            int batch = axis == Axis.CONTEXT ? 1 : axis == Axis.BATCH ? value : 8;
            int length = axis == Axis.CONTEXT ? value : 256;
            int vocabulary = axis == Axis.VOCABULARY ? value : smallVocabulary;
            JsonNode result = json(List.of(
                    Path.of(System.getProperty("quern.home"), "quern").toString(),
                    "bench",
                    workload,
                    "--precision",
                    precision,
                    "--steps",
                    String.valueOf(steps),
                    "--warmup",
                    String.valueOf(warmup),
                    "--group",
                    "1",
                    "--parts",
                    "0",
                    "--ceiling",
                    "0",
                    "--batch",
                    String.valueOf(batch),
                    "--length",
                    String.valueOf(length),
                    "--vocab-size",
                    String.valueOf(vocabulary),
                    "--json"));
            Point point = new Point(
                    value,
                    result.get("tokens_per_sec").asDouble(),
                    result.get("model_gflop").asDouble(),
                    result.get("peak_rss_mb").asDouble());
            points.add(point);
            String line = String.format(
                    Locale.ROOT,
                    "| %d | %.1f | %.1f | %.0f |",
                    value,
                    point.tokensPerSec,
                    point.gflops(batch * length),
                    point.peakMb);
            System.err.println(axis.file + " " + line);
            page.append(line).append('\n');
        }
        page.append("\n![").append(axis.file).append("](").append(axis.file).append(".png)\n");
        double[] places = new double[points.size()];
        double[] rates = new double[points.size()];
        for (int i = 0; i < places.length; i++) {
            places[i] = i;
            rates[i] = points.get(i).tokensPerSec;
        }
        List<String> labels = values.stream().map(String::valueOf).toList();
        new CurvePng("Tokens a second against " + axis.name, axis.name, "tokens/s", labels, OptionalDouble.empty())
                .write(
                        folder.resolve(axis.file + ".png"),
                        CurvePng.Theme.LIGHT,
                        List.of(Series.points("quern", places, rates)));
    }

    private void loss(StringBuilder page) throws IOException {
        page.append("\n## Memory of head and loss\n\n")
                .append("At ")
                .append(lossVocabulary)
                .append(" tokens of vocabulary and ")
                .append(lossTokens)
                .append(
                        " rows in fp32, beyond weights, rows and gradients.\n\n| form | peak, MB | loss |\n|---|---|---|\n");
        double[] peaks = new double[2];
        String[] forms = {"chunked", "plain"};
        for (int i = 0; i < forms.length; i++) {
            List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString()));
            // As this process was started, which is as the launcher starts a training.
            command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), LossPeak.class.getName(), forms[i]));
            command.addAll(List.of(String.valueOf(lossVocabulary), String.valueOf(lossTokens)));
            JsonNode result = json(command);
            peaks[i] = result.get("peak_mb").asDouble();
            page.append(String.format(
                    Locale.ROOT,
                    "| %s | %.1f | %.5f |%n",
                    forms[i],
                    peaks[i],
                    result.get("loss").asDouble()));
        }
        String verdict = String.format(
                Locale.ROOT,
                "%nIn chunks %.1f%% of the memory at once; aimed at: %.0f%% or less.%n",
                100 * peaks[0] / peaks[1],
                100 * MOST_OF_UNCHUNKED);
        System.err.print(verdict);
        page.append(verdict);
    }

    /** The last line of JSON that a command prints. */
    private JsonNode json(List<String> command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            int code = process.waitFor();
            if (code != 0) {
                throw new IllegalStateException(String.join(" ", command) + " ended with " + code);
            }
        } catch (InterruptedException e) {
            process.destroy();
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
        String last = output.strip().lines().reduce((a, b) -> b).orElse("");
        raw.append(last).append('\n');
        Files.writeString(folder.resolve("points.jsonl"), raw);
        return JSON.readTree(last);
    }
}
