package quern.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SmallDiskTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final int SIZE = 1 << 16;

    @TempDir
    Path folder;

    private SmallDisk mount() {
        try {
            return SmallDisk.mount(folder, SIZE);
        } catch (IOException e) {
            return abort(e.getMessage());
        }
    }

    @Test
    void aChildMeetsTheRealEndOfTheDisk() throws IOException {
        try (SmallDisk disk = mount()) {
            Path file = disk.path().resolve("file");
            ChildJvm.Result result =
                    ChildJvm.of(Filler.class, file.toString()).on(disk).run(TIMEOUT);
            assertEquals(0, result.exitCode(), result.stderr());
            assertEquals(SIZE + " usable, then: No space left on device\n", result.stdout());
            assertEquals(SIZE, Files.size(disk.seenFromHere(file)));
            assertFalse(Files.exists(file), "the disk is the children's only");
            assertThrows(IllegalArgumentException.class, () -> disk.seenFromHere(Path.of("/")));
        }
        assertTrue(Files.isDirectory(folder));
    }

    @Test
    void aChildKeepsItsWorkingDirectory(@TempDir Path other) throws IOException {
        try (SmallDisk disk = mount()) {
            assertEquals(
                    other.toRealPath() + "\n",
                    ChildJvm.ofCommand("pwd")
                            .directory(other)
                            .on(disk)
                            .run(TIMEOUT)
                            .stdout());
        }
    }

    /** Writes twice the disk's size. */
    static final class Filler {
        public static void main(String[] args) throws IOException {
            Path file = Path.of(args[0]);
            long usable = Files.getFileStore(file.getParent()).getUsableSpace();
            try {
                Files.write(file, new byte[2 * SIZE]);
                System.out.println("everything fits");
            } catch (IOException e) {
                System.out.println(usable + " usable, then: " + e.getMessage());
            }
        }
    }
}
