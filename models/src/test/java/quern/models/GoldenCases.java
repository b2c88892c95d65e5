package quern.models;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import quern.recipe.GoldenCase;

/** The committed golden cases of models. */
final class GoldenCases {
    private static final Path FOLDER = Path.of("..", "goldens");

    private GoldenCases() {}

    static Path folder(String name) {
        return FOLDER.resolve(name);
    }

    static List<GoldenCase> all() {
        try (Stream<Path> folders = Files.list(FOLDER)) {
            return folders.filter(f -> f.getFileName().toString().startsWith("model-"))
                    .sorted()
                    .map(GoldenCase::read)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
