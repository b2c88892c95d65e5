package quern.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import picocli.CommandLine.Option;
import quern.recipe.DurableFiles;
import tools.jackson.core.StreamWriteFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SequenceWriter;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * The {@code --json} of every verb that prints a result, as a picocli mixin. With it a verb prints exactly one JSON
 * document on standard output and nothing else there; progress and errors stay on standard error. A person's terminal gets
 * it indented, a pipe or a file on one line.
 */
public final class JsonOption {
    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    /** True if the person asked for JSON. */
    public boolean wanted() {
        return json;
    }

    /** Prints a record, list or map as JSON; record components become snake_case keys. */
    public static void print(PrintWriter out, Object value) {
        out.println(MapperHolder.MAPPER.writeValueAsString(value));
        out.flush();
    }

    /**
     * Prints a list of which the elements come one by one; the list ends when the result is closed, the writer stays open. What
     * was printed before a failure is no whole list.
     */
    public static SequenceWriter list(PrintWriter out) {
        return MapperHolder.MAPPER
                .writer()
                .without(StreamWriteFeature.AUTO_CLOSE_TARGET)
                .writeValuesAsArray(out);
    }

    /** Writes a record, list or map into a file, indented. */
    public static void write(Path file, Object value) {
        String text = MapperHolder.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value) + "\n";
        DurableFiles.write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Built on first use, since most commands print no JSON. */
    private static final class MapperHolder {
        static final JsonMapper MAPPER = JsonMapper.builder()
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .configure(SerializationFeature.INDENT_OUTPUT, Terminal.stdout().interactive())
                .build();
    }
}
