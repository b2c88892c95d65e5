package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Free names for run folders. */
class RunNameTest {
    @TempDir
    Path folder;

    @Test
    void aFreeNameIsKept() {
        assertEquals(folder.resolve("run"), RunName.free(folder.resolve("run")));
    }

    @Test
    void anEmptyFolderIsFree() throws IOException {
        Path run = Files.createDirectory(folder.resolve("run"));
        assertEquals(run, RunName.free(run));
    }

    @Test
    void takenNamesAreNumberedFromTwo() throws IOException {
        Path run = folder.resolve("run");
        Files.createDirectories(run.resolve("checkpoint-1"));
        assertEquals(folder.resolve("run-2"), RunName.free(run));
        Files.writeString(folder.resolve("run-2"), "a file takes a name too");
        assertEquals(folder.resolve("run-3"), RunName.free(run));
        Files.createSymbolicLink(folder.resolve("run-3"), folder.resolve("nowhere"));
        assertEquals(folder.resolve("run-4"), RunName.free(run));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "", ".", "..", "runs/.."})
    void aNamelessFolderIsRefused(String path) {
        QuernException refused = assertThrows(QuernException.class, () -> RunName.free(Path.of(path)));
        assertEquals(ExitCode.BAD_INPUT, refused.exitCode());
    }
}
