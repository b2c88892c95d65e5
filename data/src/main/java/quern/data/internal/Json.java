package quern.data.internal;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** JSON files read whole. */
public final class Json {
    /** Tokens are keys of a vocabulary, and one learned from a long run of characters is itself long. */
    private static final int LONGEST_NAME = 1 << 24;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNameLength(LONGEST_NAME)
                            .build())
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private Json() {}

    /** An empty object. */
    public static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /** A list of texts as a tree. */
    public static JsonNode list(List<String> texts) {
        return MAPPER.valueToTree(texts);
    }

    /** A plain map as a tree. */
    public static ObjectNode tree(Map<String, Object> map) {
        return MAPPER.valueToTree(map);
    }

    /** Indented text with a line end. */
    public static String write(JsonNode node) {
        return MAPPER.writer().with(SerializationFeature.INDENT_OUTPUT).writeValueAsString(node) + "\n";
    }

    /** Parses text that came from a file. */
    public static JsonNode parse(Path file, String text) {
        try {
            return MAPPER.readTree(text);
        } catch (JacksonException e) {
            throw new QuernException(
                    ExitCode.FAILED,
                    "%s: not valid JSON (%s); the file is corrupt"
                            .formatted(
                                    file,
                                    e.getOriginalMessage().lines().findFirst().orElse("")),
                    e);
        }
    }

    /** The text of a file. */
    public static String read(Path file) {
        try {
            return Files.readString(file, StandardCharsets.UTF_8);
        } catch (java.nio.charset.CharacterCodingException e) {
            throw new QuernException(ExitCode.FAILED, file + ": not UTF-8 text; the file is corrupt", e);
        } catch (IOException e) {
            throw new QuernException(ExitCode.FAILED, file + ": can not be read (" + e.getMessage() + ")", e);
        }
    }
}
