package quern.train;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import quern.recipe.QuernException;
import quern.recipe.Quoted;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** JSON files of a run folder. */
final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private Json() {}

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    static byte[] pretty(JsonNode node) {
        return (MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(node) + "\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    static String line(JsonNode node) {
        return MAPPER.writeValueAsString(node);
    }

    static JsonNode parse(String text) {
        return MAPPER.readTree(text);
    }

    /** Reads a file that Quern wrote; anything unreadable is a corrupt file. */
    static JsonNode read(Path file) {
        try {
            return MAPPER.readTree(Files.readString(file));
        } catch (NoSuchFileException e) {
            throw QuernException.failed("%s: the file is missing; the folder is incomplete", file);
        } catch (IOException | JacksonException e) {
            throw QuernException.failed("%s: not readable as JSON (%s); the file is corrupt", file, Quoted.message(e));
        }
    }
}
