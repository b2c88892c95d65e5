package quern.recipe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import quern.testkit.Faults;
import quern.testkit.Faults.Operation;
import quern.testkit.FaultyFileSystem;

/** Every single operation of a durable write fails once, and what is on the disk is always whole. */
class DurableFilesFaultTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource(
            value = Faults.Error.class,
            names = {"ENOSPC", "EDQUOT", "EIO", "EROFS"})
    void aFileIsOldOrNewWhateverFails(Faults.Error error) throws IOException {
        boolean full = error == Faults.Error.ENOSPC || error == Faults.Error.EDQUOT;
        int failures = 0;
        boolean done = false;
        for (int n = 1; !done; n++) {
            Path real = folder.resolve("file");
            Files.writeString(real, "old");
            Faults faults = new Faults().failNthChange(n, error);
            Path file = new FaultyFileSystem(faults).wrap(real);
            try {
                DurableFiles.write(file, "new".getBytes(StandardCharsets.UTF_8));
                done = true;
                assertEquals("new", Files.readString(real));
            } catch (QuernException e) {
                failures++;
                assertEquals(full ? ExitCode.REFUSED : ExitCode.FAILED, e.exitCode(), e.getMessage());
                assertEquals(1, e.getMessage().lines().count());
                boolean renamed = faults.journal().stream()
                        .anyMatch(event -> event.operation() == Operation.MOVE && event.error() == null);
                assertEquals(renamed ? "new" : "old", Files.readString(real));
            }
            assertEquals(List.of("file"), names());
            assertEquals(0, faults.openChannels());
        }
        // Open, write, force, move, force of the folder.
        assertEquals(5, failures);
    }

    @Test
    void dataIsForcedBeforeTheRenameAndTheFolderAfterIt() {
        Faults faults = new Faults();
        DurableFiles.write(new FaultyFileSystem(faults).wrap(folder.resolve("file")), new byte[10]);
        List<Operation> done =
                faults.journal().stream().map(Faults.Event::operation).toList();
        assertEquals(
                List.of(Operation.OPEN_WRITE, Operation.WRITE, Operation.FORCE, Operation.MOVE, Operation.FORCE), done);
        assertTrue(DurableFiles.isTemporary(faults.journal().get(2).path()));
        assertEquals(folder.toAbsolutePath(), faults.journal().get(4).path());
    }

    @Test
    void aDirectoryIsOldOrNewWhateverFailsAndStaysSo() throws IOException {
        for (boolean andLater : new boolean[] {false, true}) {
            boolean done = false;
            for (int n = 1; !done; n++) {
                DurableFiles.deleteTree(folder.resolve("target"));
                DurableFiles.deleteTree(folder.resolve("fresh"));
                tree("target", "old");
                tree("fresh", "new");
                Faults faults = new Faults();
                FaultyFileSystem files = new FaultyFileSystem(faults);
                failChange(faults, n, andLater);
                Path target = files.wrap(folder.resolve("target"));
                try {
                    DurableFiles.replaceDirectory(files.wrap(folder.resolve("fresh")), target);
                    done = true;
                } catch (QuernException e) {
                    assertEquals(ExitCode.FAILED, e.exitCode(), e.getMessage());
                }
                faults.heal();
                DurableFiles.recoverDirectory(target);
                String content = Files.readString(folder.resolve("target/deep/file"));
                assertTrue(content.equals("old") || content.equals("new"), content);
                if (done) {
                    assertEquals("new", content);
                }
                assertFalse(Files.exists(folder.resolve(".target.replaced")));
            }
        }
    }

    @Test
    void theMessageTellsWhatIsMissing() {
        Faults faults = new Faults().diskFullAfter(40);
        Path file = new FaultyFileSystem(faults).wrap(folder.resolve("file"));
        QuernException e = assertThrows(QuernException.class, () -> DurableFiles.write(file, new byte[100]));
        assertEquals(ExitCode.REFUSED, e.exitCode());
        assertTrue(e.getMessage().contains("60 bytes needed, 0 bytes free"), e.getMessage());
        assertEquals(List.of(), names());
    }

    private static void failChange(Faults faults, int n, boolean andLater) {
        int last = andLater ? n + 20 : n;
        for (int i = n; i <= last; i++) {
            faults.failNthChange(i, Faults.Error.EIO);
        }
    }

    private void tree(String name, String content) throws IOException {
        Path deep = Files.createDirectories(folder.resolve(name).resolve("deep"));
        Files.writeString(deep.resolve("file"), content);
    }

    private List<String> names() {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
