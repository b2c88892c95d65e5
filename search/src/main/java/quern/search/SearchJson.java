package quern.search;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import quern.recipe.DurableFiles;
import quern.recipe.QuernException;
import quern.recipe.Quoted;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/** Records as JSON files with snake_case keys. */
final class SearchJson {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .build();

    private SearchJson() {}

    static void write(Path file, Object value) {
        String text = MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value) + "\n";
        DurableFiles.write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Reads a file that this class wrote; anything unreadable is a corrupt file. */
    static <R extends Record> R read(Path file, Class<R> type) {
        try {
            return MAPPER.readValue(Files.readString(file), type);
        } catch (IOException | JacksonException e) {
            throw QuernException.failed(
                    "%s: not readable (%s); delete its folder to run it again", file, Quoted.message(e));
        }
    }
}
