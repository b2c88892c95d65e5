package quern.train;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import quern.recipe.DurableFiles;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Lines of JSON with a {@code step} in a run folder: {@code metrics.jsonl} and {@code samples.jsonl}. On resume, lines
 * past the checkpoint's step are cut off, since those steps are taken again; a last line that a crash cut short goes too.
 */
final class MetricsLog implements TrainingHook, AutoCloseable {
    private final Path metricsFile;
    private final Path samplesFile;
    private final FileChannel metrics;
    private final FileChannel samples;

    MetricsLog(Path runFolder, long resumedStep) {
        metricsFile = runFolder.resolve("metrics.jsonl");
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
        for (String line : Files.readAllLines(file)) {
            try {
                if (Json.parse(line).path("step").asLong(Long.MAX_VALUE) <= resumedStep) {
                    kept.add(line + "\n");
                }
            } catch (JacksonException cutShort) {
                continue;
            }
        }
        return kept;
    }

    /** The metrics lines of a run, in order. */
    static List<JsonNode> read(Path runFolder) {
        Path file = runFolder.resolve("metrics.jsonl");
        List<JsonNode> lines = new ArrayList<>();
        try {
            for (String line : Files.readAllLines(file)) {
                lines.add(Json.parse(line));
            }
        } catch (IOException | JacksonException e) {
            throw quern.recipe.QuernException.failed("%s: cannot be read as JSON lines: %s", file, e.getMessage());
        }
        return lines;
    }

    @Override
    public void onMetrics(TrainingProgress progress, Map<String, Double> values) {
        ObjectNode line = Json.object();
        line.put("step", progress.step());
        values.forEach((name, value) -> {
            if (name.equals("num_input_tokens_seen")) {
                line.put(name, value.longValue());
            } else {
                line.put(name, value);
            }
        });
        append(metrics, metricsFile, line);
    }

    @Override
    public void onSample(TrainingProgress progress, String prompt, String text) {
        ObjectNode line = Json.object();
        line.put("step", progress.step());
        line.put("prompt", prompt);
        line.put("text", text);
        append(samples, samplesFile, line);
    }

    private static void append(FileChannel channel, Path file, ObjectNode line) {
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
