package quern.models.internal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** The JSON files of a model folder, as maps in the order of the file. */
public final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(SerializationFeature.INDENT_OUTPUT)
            .build();

    private Json() {}

    /** The object in a file; bad input when the file is missing, failed when it holds no JSON object. */
    public static Map<String, Object> read(Path file) {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw new QuernException(ExitCode.BAD_INPUT, file + ": no such file; name a Hugging Face model folder", e);
        } catch (IOException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: can't be read: %s; check the file and its rights".formatted(file, e.getMessage()),
                    e);
        }
        try {
            if (MAPPER.readValue(bytes, Object.class) instanceof Map<?, ?> map) {
                Map<String, Object> result = new LinkedHashMap<>();
                map.forEach((key, value) -> result.put((String) key, value));
                return result;
            }
        } catch (JacksonException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: not valid JSON (line %d): %s; download or save it again"
                            .formatted(
                                    file,
                                    e.getLocation() == null
                                            ? 1
                                            : e.getLocation().getLineNr(),
                                    e.getOriginalMessage().lines().findFirst().orElse("")),
                    e);
        }
        throw QuernException.failed("%s: expected a JSON object; download or save it again", file);
    }

    /** The object as indented UTF-8 with a newline at the end. */
    public static byte[] format(Map<String, ?> object) {
        return (MAPPER.writeValueAsString(object) + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
