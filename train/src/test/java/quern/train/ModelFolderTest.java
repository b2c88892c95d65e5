package quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import quern.recipe.ExitCode;
import quern.recipe.QuernException;
import quern.recipe.RecipeFile;

/** What a named folder stands for. */
class ModelFolderTest {
    private static final int LENGTH = 8;

    @TempDir
    Path folder;

    private Path run() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "once upon a time there was a fox; ".repeat(5));
        String recipe = """
                output_dir: %s
                model: {family: gpt2, n_layer: 1, n_head: 2, n_embd: 8, n_positions: 16}
                tokenizer: char
                data: {path: %s, max_length: %d}
                per_device_train_batch_size: 2
                max_steps: 4
                save_steps: 2
                tensorboard: false
                """.formatted(folder.resolve("run"), text, LENGTH);
        try (TrainingRun run = TrainingRun.start(RecipeFile.load("test", recipe, List.of()), note -> {})) {
            run.train();
            return run.folder();
        }
    }

    @Test
    void aFinishedRunIsItsModel() throws IOException {
        Path run = run();
        ModelFolder found = ModelFolder.find(run);
        assertEquals(new ModelFolder(run, Optional.empty()), found);
        assertEquals(Optional.empty(), found.note());
        assertEquals(Optional.of(LENGTH), found.trainedLength());
    }

    @Test
    void anUnfinishedRunIsItsNewestCheckpoint() throws IOException {
        Path run = run();
        Files.delete(run.resolve("config.json"));
        ModelFolder found = ModelFolder.find(run);
        assertEquals(run.resolve("checkpoint-4"), found.path());
        assertEquals(Optional.of(run + " is not finished; using its newest checkpoint, checkpoint-4"), found.note());
        assertEquals(Optional.of(LENGTH), found.trainedLength());
        Path first = run.resolve("checkpoint-2");
        assertEquals(new ModelFolder(first, Optional.empty()), ModelFolder.find(first));
        assertEquals(Optional.of(LENGTH), ModelFolder.find(first).trainedLength());
    }

    @Test
    void otherFoldersAreBadInput() throws IOException {
        refused(folder + ": no config.json in it", folder);
        refused(folder.resolve("no") + ": no such folder", folder.resolve("no"));
        Path begun = Files.createDirectories(folder.resolve("begun"));
        Files.writeString(begun.resolve("recipe.yaml"), "max_steps: 1\n");
        refused(begun + ": this run has neither a model nor a checkpoint yet", begun);
    }

    private static void refused(String start, Path named) {
        QuernException e = assertThrows(QuernException.class, () -> ModelFolder.find(named));
        assertEquals(ExitCode.BAD_INPUT, e.exitCode());
        assertTrue(e.getMessage().startsWith(start), e.getMessage());
    }
}
