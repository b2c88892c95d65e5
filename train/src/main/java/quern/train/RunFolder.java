package quern.train;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import quern.recipe.Block;
import quern.recipe.DurableFiles;
import quern.recipe.FolderLock;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;
import quern.recipe.RunName;

/**
 * The folder of one run: {@code recipe.yaml}, metrics, samples, checkpoints and, in the end, the model. One process works
 * in it at a time.
 */
public final class RunFolder implements AutoCloseable {
    /** The file with the recipe. */
    public static final String RECIPE = "recipe.yaml";

    /** The file with the metrics, a line of JSON each time. */
    public static final String METRICS = "metrics.jsonl";

    private final Path path;
    private final FolderLock lock;

    private RunFolder(Path path) {
        this.path = path;
        this.lock = FolderLock.take(path)
                .orElseThrow(() -> QuernException.badInput(
                        "%s: another process is training in this run folder; wait for it, or stop it first", path));
    }

    /** A new run folder at {@code outputDir}, or at the first free name after it, with the recipe written into it. */
    static RunFolder create(Path outputDir, Block recipe) {
        RunFolder run = new RunFolder(claim(outputDir));
        boolean done = false;
        try {
            DurableFiles.write(
                    run.path.resolve(RECIPE), RecipeFile.write(recipe).getBytes(StandardCharsets.UTF_8));
            done = true;
        } finally {
            if (!done) {
                run.close();
            }
        }
        return run;
    }

    /** Makes the folder; of two processes that want the same name at once, one gets the next. */
    private static Path claim(Path outputDir) {
        while (true) {
            Path path = RunName.free(outputDir);
            try {
                if (Files.isDirectory(path)) {
                    return path;
                }
                Files.createDirectories(path.toAbsolutePath().getParent());
                Files.createDirectory(path);
                return path;
            } catch (FileAlreadyExistsException e) {
                if (!Files.exists(path)) {
                    // A parent is a file, which no further name would change.
                    throw QuernException.badInput(
                            "output_dir: %s cannot be made, since %s is not a folder; choose another place",
                            path, e.getFile());
                }
            } catch (IOException e) {
                throw DurableFiles.writeFailure(path, -1, e);
            }
        }
    }

    /** The folder of a run that was begun. */
    static RunFolder open(Path path) {
        if (!Files.isDirectory(path)) {
            throw QuernException.badInput("%s: no such run folder; name one that quern train made", path);
        }
        if (!Files.isRegularFile(path.resolve(RECIPE))) {
            throw QuernException.badInput(
                    "%s: holds no %s, so it is no run folder; name one that quern train made", path, RECIPE);
        }
        return new RunFolder(path);
    }

    Path path() {
        return path;
    }

    /** The recipe of the run with overrides on top. */
    Block recipe(List<String> overrides) {
        return RecipeFile.load(path.resolve(RECIPE), overrides);
    }

    @Override
    public void close() {
        lock.close();
    }
}
