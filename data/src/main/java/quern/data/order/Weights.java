package quern.data.order;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import quern.data.internal.Json;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Weights of corpora: scaled to shares, and as a file of JSON with a weight by name. */
public final class Weights {
    /** The file in a run folder. */
    public static final String FILE = "mixing_weights.json";

    private Weights() {}

    /** Scaled so that they sum to 1. */
    static double[] shares(double[] weights) {
        double sum = Arrays.stream(weights).sum();
        return Arrays.stream(weights).map(w -> w / sum).toArray();
    }

    /**
     * The weights that a recipe gives by name, in the corpora's order.
     *
     * @param key the recipe's key, for errors
     */
    static double[] ofNames(String key, Map<String, Double> byName, List<String> names) {
        if (!new TreeMap<>(byName).keySet().equals(new TreeMap<>(index(names)).keySet())) {
            throw QuernException.badInput(
                    "%s: weights for %s, expected one for each of data.sources: %s",
                    key, new TreeMap<>(byName).keySet(), names);
        }
        double[] weights = names.stream().mapToDouble(byName::get).toArray();
        for (double weight : weights) {
            if (!(weight >= 0 && Double.isFinite(weight))) {
                throw QuernException.badInput("%s: %s is no weight; expected 0 or more", key, weight);
            }
        }
        if (Arrays.stream(weights).sum() == 0) {
            throw QuernException.badInput("%s: all weights are 0; raise one", key);
        }
        return weights;
    }

    private static Map<String, Integer> index(List<String> names) {
        Map<String, Integer> index = new LinkedHashMap<>();
        names.forEach(name -> index.put(name, index.size()));
        return index;
    }

    /** Reads a file that {@link #write} wrote. */
    static double[] read(Path named, List<String> names) {
        Path file = Files.isDirectory(named) ? named.resolve(FILE) : named;
        if (!Files.isRegularFile(file)) {
            throw QuernException.badInput(
                    "data.mixing: weights_file: %s is no file; name the %s of a run that learned weights", file, FILE);
        }
        JsonNode json = Json.parse(file, Json.read(file));
        Map<String, Double> byName = new LinkedHashMap<>();
        json.properties().forEach(e -> {
            if (!e.getValue().isNumber()) {
                throw QuernException.badInput("%s: '%s' should be a number, found %s", file, e.getKey(), e.getValue());
            }
            byName.put(e.getKey(), e.getValue().asDouble());
        });
        return ofNames(file.toString(), byName, names);
    }

    /** Writes weights by name into a run folder. */
    public static void write(Path folder, Map<String, Double> byName) {
        ObjectNode json = Json.object();
        byName.forEach(json::put);
        DurableFiles.write(folder.resolve(FILE), Json.write(json).getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
}
