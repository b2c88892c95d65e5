package quern.train;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import quern.recipe.DurableFiles;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Lines of JSON with a {@code step} in a run folder: {@code metrics.jsonl} and {@code samples.jsonl}. On resume, lines
 * past the checkpoint's step are cut off, since those steps are taken again; a last line that a crash cut short goes too.
 */
final class MetricsLog implements TrainingHook, AutoCloseable {
    /** Characters of a damaged line that its message shows. */
    private static final int SHOWN = 60;

    /** The tokens seen so far. */
    static final String TOKENS = "num_input_tokens_seen";

    /** Values that are counts. */
    private static final Set<String> WHOLE = Set.of(TOKENS, "stage");

    private final Path metricsFile;
    private final Path samplesFile;
    private final FileChannel metrics;
    private final FileChannel samples;

    MetricsLog(Path runFolder, long resumedStep) {
        metricsFile = runFolder.resolve(RunFolder.METRICS);
        samplesFile = runFolder.resolve("samples.jsonl");
        metrics = open(metricsFile, resumedStep);
        samples = open(samplesFile, resumedStep);
    }

    private static FileChannel open(Path file, long resumedStep) {
        try {
            if (Files.exists(file)) {
                DurableFiles.write(
                        file, String.join("", keptLines(file, resumedStep)).getBytes(StandardCharsets.UTF_8));
            }
            return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, -1, e);
        }
    }

    private static List<String> keptLines(Path file, long resumedStep) throws IOException {
        List<String> kept = new ArrayList<>();
        // Decoded leniently: the end may be cut within a character.
        String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
        List<String> lines =
                text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            if (parse(file, i + 1, lines.get(i)).get("step").asLong() <= resumedStep) {
                kept.add(lines.get(i) + "\n");
            }
        }
        return kept;
    }

    private static JsonNode parse(Path file, int number, String line) {
        try {
            JsonNode object = Json.parse(line);
            if (object.path("step").isIntegralNumber()) {
                return object;
            }
        } catch (JacksonException e) {
            throw damaged(file, number, line, e);
        }
        throw damaged(file, number, line, null);
    }

    private static QuernException damaged(Path file, int number, String line, Throwable cause) {
        return new QuernException(
                ExitCode.FAILED,
                "%s: line %d: expected a JSON object with a 'step', found '%s'; mend or remove the line"
                        .formatted(file, number, line.substring(0, Math.min(SHOWN, line.length()))),
                cause);
    }

    /** The metrics lines of a run, in order, {@code step} among their keys. */
    static List<Map<String, Double>> read(Path runFolder) {
        return read(runFolder, RunFolder.METRICS);
    }

    /** The lines of a file of metrics in a folder. */
    static List<Map<String, Double>> read(Path folder, String name) {
        Path file = folder.resolve(name);
        List<Map<String, Double>> all = new ArrayList<>();
        try {
            List<String> lines = Files.readAllLines(file);
            for (int i = 0; i < lines.size(); i++) {
                Map<String, Double> values = new LinkedHashMap<>();
                parse(file, i + 1, lines.get(i))
                        .properties()
                        .forEach(v -> values.put(v.getKey(), v.getValue().asDouble()));
                all.add(values);
            }
        } catch (IOException e) {
            throw QuernException.failed("%s: cannot be read: %s", file, e.getMessage());
        }
        return all;
    }

    @Override
    public void onMetrics(TrainingProgress progress, Map<String, Double> values) {
        append(metrics, metricsFile, line(progress.step(), values));
    }

    /** A line of metrics. */
    static ObjectNode line(long step, Map<String, Double> values) {
        ObjectNode line = Json.object();
        line.put("step", step);
        values.forEach((name, value) -> {
            if (WHOLE.contains(name)) {
                line.put(name, value.longValue());
            } else if (!name.equals("step")) {
                line.put(name, value);
            }
        });
        return line;
    }

    @Override
    public void onSample(TrainingProgress progress, String prompt, String text) {
        ObjectNode line = Json.object();
        line.put("step", progress.step());
        line.put("prompt", prompt);
        line.put("text", text);
        append(samples, samplesFile, line);
    }

    static void append(FileChannel channel, Path file, ObjectNode line) {
        byte[] bytes = (Json.line(line) + "\n").getBytes(StandardCharsets.UTF_8);
        try {
            DurableFiles.writeFully(channel, ByteBuffer.wrap(bytes));
        } catch (IOException e) {
            throw DurableFiles.writeFailure(file, bytes.length, e);
        }
    }

    @Override
    public void close() {
        try {
            metrics.close();
            samples.close();
        } catch (IOException e) {
            throw DurableFiles.writeFailure(metricsFile, -1, e);
        }
    }
}
