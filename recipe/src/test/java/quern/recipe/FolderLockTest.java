package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FolderLockTest {
    @TempDir
    private Path folder;

    @Test
    void oneHolderAtATime() {
        try (FolderLock held = FolderLock.take(folder).orElseThrow()) {
            assertEquals(Optional.empty(), FolderLock.take(folder));
            held.close();
            try (FolderLock next = FolderLock.take(folder).orElseThrow()) {
                assertTrue(FolderLock.take(folder).isEmpty());
                // Closed already: the next holder's lock must outlast it.
                held.close();
                assertTrue(FolderLock.take(folder).isEmpty());
            }
        }
    }

    @Test
    void aMissingFolderIsNamed() {
        Path missing = folder.resolve("none");
        QuernException e = assertThrows(QuernException.class, () -> FolderLock.take(missing));
        assertEquals(ExitCode.FAILED, e.exitCode());
        assertTrue(e.getMessage().contains(missing.resolve(".lock").toString()), e.getMessage());
    }
}
