package quern.recipe;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/** Names run folders so that no run writes over another. */
public final class RunName {
    private RunName() {}

    /**
     * {@code outputDir} itself when nothing is there or only an empty folder; otherwise the first free of {@code
     * outputDir-2}, {@code outputDir-3}…
     */
    public static Path free(Path outputDir) {
        Path name = outputDir.getFileName();
        if (name == null) {
            throw QuernException.badInput(
                    "output_dir: '%s' is the root of a file system; name a folder below it", outputDir);
        }
        if (name.toString().isEmpty()
                || name.toString().equals(".")
                || name.toString().equals("..")) {
            throw QuernException.badInput("output_dir: '%s' names no folder; write one such as runs/first", outputDir);
        }
        Path candidate = outputDir;
        for (int number = 2; taken(candidate); number++) {
            candidate = outputDir.resolveSibling(name + "-" + number);
        }
        return candidate;
    }

    private static boolean taken(Path path) {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return false;
        }
        if (!Files.isDirectory(path)) {
            return true;
        }
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
            return entries.iterator().hasNext();
        } catch (IOException unreadable) {
            return true;
        }
    }
}
