package quern.train;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import quern.data.Batch;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import quern.recipe.Quoted;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Batches that a person should look at, in {@code kept_batches.jsonl} of a run folder: one JSON object a step with {@code
 * step}, {@code reason}, {@code loss} where it is finite, the numbers it was judged by, and {@code rows}, each with its
 * {@code tokens} and their {@code text}, padding left out. Of a step that is taken again the new line stays; of all lines
 * the newest.
 */
final class KeptBatches {
    static final String FILE = "kept_batches.jsonl";

    /** Lines kept where no spike guard says how many. */
    static final int USUAL_LIMIT = 20;

    private final Path file;
    private final Function<int[], String> decode;
    private final int limit;

    /** @param decode makes text of tokens */
    KeptBatches(Path runFolder, Function<int[], String> decode, int limit) {
        this.file = runFolder.resolve(FILE);
        this.decode = decode;
        this.limit = limit;
    }

    /**
     * Adds a step's batch; durable when this returns.
     *
     * @param step the step, counted from 1
     * @param facts what else the line says
     */
    void keep(long step, String reason, double loss, Map<String, Double> facts, List<Batch> batches) {
        ObjectNode line = Json.object();
        line.put("step", step);
        line.put("reason", reason);
        if (Double.isFinite(loss)) {
            line.put("loss", loss);
        }
        facts.forEach(line::put);
        ArrayNode rows = line.putArray("rows");
        for (Batch batch : batches) {
            for (int row = 0; row < batch.rows(); row++) {
                int from = batch.start(row);
                int[] tokens = Arrays.copyOfRange(batch.inputIds(), from, from + batch.lengths()[row]);
                ObjectNode node = rows.addObject();
                ArrayNode ids = node.putArray("tokens");
                Arrays.stream(tokens).forEach(ids::add);
                node.put("text", decode.apply(tokens));
            }
        }
        TreeMap<Long, String> lines = new TreeMap<>(read());
        lines.put(step, Json.line(line));
        while (lines.size() > limit) {
            lines.pollFirstEntry();
        }
        DurableFiles.write(
                file, (String.join("\n", new ArrayList<>(lines.values())) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private Map<Long, String> read() {
        Map<Long, String> lines = new TreeMap<>();
        if (!Files.exists(file)) {
            return lines;
        }
        try {
            for (String line : Files.readAllLines(file)) {
                JsonNode node = Json.parse(line);
                lines.put(node.get("step").asLong(), line);
            }
        } catch (IOException | JacksonException e) {
            throw QuernException.failed(
                    "%s: not readable as lines of JSON (%s); move it away", file, Quoted.message(e));
        }
        return lines;
    }
}
