package quern.recipe;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A golden case: a folder whose {@code case.json} says what is in it and what is expected.
 *
 * @param folder the folder
 * @param kind the kind of case
 * @param name the case's name
 * @param json the whole of {@code case.json}
 */
public record GoldenCase(Path folder, String kind, String name, JsonNode json) {
    static final String FILE = "case.json";

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /** The case in a folder. */
    public static GoldenCase read(Path folder) {
        Path file = folder.resolve(FILE);
        JsonNode json;
        try {
            json = JSON.readTree(Files.readAllBytes(file));
        } catch (JacksonException notJson) {
            throw new QuernException(
                    ExitCode.BAD_INPUT,
                    "%s: not valid JSON: %s".formatted(file, Quoted.message(notJson.getOriginalMessage())),
                    notJson);
        } catch (IOException unreadable) {
            throw new QuernException(
                    ExitCode.BAD_INPUT,
                    "%s: can't be read (%s)".formatted(file, Quoted.message(unreadable)),
                    unreadable);
        }
        if (!json.isObject()) {
            throw QuernException.badInput("%s: expected a JSON object with 'kind' and 'name'", file);
        }
        return new GoldenCase(folder, text(json, "kind", file), text(json, "name", file), json);
    }

    /**
     * The tolerance of one check: the number that {@code tolerance} is, or the one it holds under the key. It is bad
     * input when there is none, or when it is negative or infinite.
     */
    public double tolerance(String key) {
        JsonNode tolerance = json.path("tolerance");
        JsonNode number = tolerance.isObject() ? tolerance.path(key) : tolerance;
        if (!number.isNumber() || !Double.isFinite(number.asDouble()) || number.asDouble() < 0) {
            throw QuernException.badInput(
                    "%s: 'tolerance' has no number for '%s' that is finite and 0 or more", folder.resolve(FILE), key);
        }
        return number.asDouble();
    }

    private static String text(JsonNode json, String key, Path file) {
        JsonNode value = json.path(key);
        if (!value.isString() || value.asString().isBlank()) {
            throw QuernException.badInput("%s: expected text under '%s'", file, key);
        }
        return value.asString();
    }
}
